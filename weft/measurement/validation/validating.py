"""All recorded runs of a directory beside their predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weft.contracts.version import __version__
from weft.measurement.machine import describe_machine
from weft.measurement.validation.experiment import INTERVAL_OF, Experiment, run_experiment
from weft.measurement.validation.figures import Errors, Pair, covered_share
from weft.measurement.validation.reading import find_runs, read_run


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of the runs of `directory`. `date`: of the end, UTC, ISO 8601. `choices`: what was predicted otherwise
    than the runs' facts say."""

    directory: str
    date: str
    machine: dict[str, Any]
    choices: dict[str, Any]
    experiments: tuple[Experiment, ...]

    def pairs(self, name: str) -> list[Pair]:
        """All single values of one kind, of steps and points: those of requests follow from each other."""
        return [
            pair
            for experiment in self.experiments
            if experiment.run.kind != "requests"
            for pair in experiment.pairs.get(name, ())
        ]

    @property
    def overall(self) -> tuple[Errors, ...]:
        """Over all steps, and over all points, that could be predicted."""
        names = dict.fromkeys(name for each in self.experiments for name in each.pairs)
        return tuple(Errors.of(name, pairs) for name in names if (pairs := self.pairs(name)))

    @property
    def covered(self) -> dict[str, tuple[int, float]]:
        """By kind of run, how many measured values there are and which share of them lies in the stated intervals."""
        found: dict[str, list[tuple[int, float]]] = {}
        for each in self.experiments:
            pairs = each.pairs.get(INTERVAL_OF[each.run.kind])
            if pairs and each.relative_error is not None:
                share = covered_share(pairs, each.relative_error)
                found.setdefault(each.run.kind, []).append((len(pairs), share))
        return {kind: _together(parts) for kind, parts in found.items()}

    def as_json(self) -> dict[str, Any]:
        """Everything that was found."""
        return {
            "directory": self.directory,
            "date": self.date,
            "weft": __version__,
            "machine": self.machine,
            "choices": self.choices,
            "overall": [each._asdict() for each in self.overall],
            "covered": {kind: {"number": n, "share": share} for kind, (n, share) in self.covered.items()},
            "experiments": [each.as_json() for each in self.experiments],
        }


def validate_against(
    directory: Path, *, progress: Callable[[str], None] = lambda name: None, **choices: Any
) -> Validation:
    """Predict every run at or below a directory. `progress` is told of each before it begins. `choices`: fields of
    `DeploymentOptions` in place of what the runs' facts say. Raises `WeftError` for what cannot be read, before
    anything is predicted, because a prediction takes long."""
    runs = [read_run(path, directory) for path in find_runs(directory)]
    found = []
    for run in runs:
        progress(run.name)
        found.append(run_experiment(run, **choices))
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return Validation(str(directory), date, describe_machine(), choices, tuple(found))


def _together(parts: list[tuple[int, float]]) -> tuple[int, float]:
    number = sum(n for n, _ in parts)
    return number, sum(n * share for n, share in parts) / number
