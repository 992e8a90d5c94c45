"""What a validation on this machine has found."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from weft.costs.local_profile import LocalProfile
from weft.measurement.calibration.bandwidth import is_flipped
from weft.measurement.local_validation.comparing import Compared, compare
from weft.measurement.local_validation.settings import LocalSettings
from weft.measurement.machine import describe_machine

CHANGED_SHARE = 0.05
"""By how much more steps may take after a run than before it, or less: near the knee that is a third of a queue."""


@dataclass(frozen=True, slots=True)
class Run:
    """One load live and simulated: `FIGURES` of both, and how far these are apart. `load`: as a share of the knee.
    `expected_slowdown`: how many times as long as the profile says steps took in the probes nearest to the run, and
    take in `simulated`; in `as_calibrated` they take what the profile says. `slowdown`: the same of all steps of the
    live run; `known_speed`: the simulated figures where that one number is known, so that what is left is what the
    profile says of one step beside another. `replay_error`: the largest error of a simulation that takes the duration
    of each live step, for which no cost model is to blame, and whether its steps were the same (`replay_is_equal`).
    Before and after the run: `bandwidths`, in bytes per second, and `slowdowns` of an engine that served the
    calibration's load."""

    load: float
    rate_per_s: float
    seed: int
    num_requests: int
    num_capped: int
    live: dict[str, float]
    simulated: dict[str, float]
    errors: dict[str, float]
    expected_slowdown: float
    as_calibrated: dict[str, float]
    slowdown: float
    known_speed: dict[str, float]
    replay_error: float
    replay_is_equal: bool
    bandwidths: tuple[float, float]
    slowdowns: tuple[float, float]

    def is_flipped(self, usual_bandwidth: float) -> bool:
        """Whether it was not the machine of the other runs, or not the same from beginning to end."""
        before, after = self.slowdowns
        has_changed = abs(after / before - 1.0) > CHANGED_SHARE
        return has_changed or is_flipped(self.bandwidths, usual_bandwidth)


@dataclass(frozen=True, slots=True)
class LocalValidation:
    """`knee_per_s`: requests per second that the live service answers while there is more to do. `flipped`, of each
    run: whether the probes beside it say that it stands apart."""

    settings: LocalSettings
    profile: LocalProfile
    knee_per_s: float
    runs: tuple[Run, ...]
    flipped: tuple[bool, ...]
    machine: dict[str, Any] = field(default_factory=describe_machine)

    def compared(self, load: float, *, flipped: bool = False) -> dict[str, Compared]:
        """Live and simulated figures at a load, medians over the runs that are flipped, or over those that are not."""
        return compare([(run.live, run.simulated) for run in self._runs(load, flipped)])

    @property
    def errors(self) -> list[float]:
        """The sizes of all errors, one for each figure at each load, of runs that are not flipped."""
        return self._errors(lambda run: run.simulated)

    @property
    def as_calibrated_errors(self) -> list[float]:
        """The same where the profile is the last that is known of the machine's speed."""
        return self._errors(lambda run: run.as_calibrated)

    @property
    def known_speed_errors(self) -> list[float]:
        """The same where it is known how fast the machine was in each run."""
        return self._errors(lambda run: run.known_speed)

    def _errors(self, simulated: Callable[[Run], dict[str, float]]) -> list[float]:
        runs = (self._runs(load, flipped=False) for load in self.settings.loads)
        loads = (compare([(run.live, simulated(run)) for run in each]) for each in runs)
        return [abs(figure.error) for figures in loads for figure in figures.values()]

    def _runs(self, load: float, flipped: bool) -> list[Run]:
        runs = zip(self.runs, self.flipped, strict=True)
        return [run for run, is_apart in runs if run.load == load and is_apart == flipped]

    def as_json(self) -> dict[str, Any]:
        """Everything, with what and when it was measured."""
        by_load = {
            f"{load:g}": {
                name: {each: figure._asdict() for each, figure in self.compared(load, flipped=apart).items()}
                for name, apart in (("runs", False), ("flipped_runs", True))
            }
            for load in self.settings.loads
        }
        return {
            "benchmark": "validate local",
            "machine": self.machine,
            "settings": asdict(self.settings) | {"directory": str(self.settings.directory)},
            "profile": self.profile.as_json(),
            "knee_per_s": self.knee_per_s,
            **_in_short("", self.errors),
            **_in_short("as_calibrated_", self.as_calibrated_errors),
            **_in_short("known_speed_", self.known_speed_errors),
            "loads": by_load,
            "runs": [
                asdict(run) | {"flipped": apart} for run, apart in zip(self.runs, self.flipped, strict=True)
            ],
        }


def _in_short(prefix: str, errors: list[float]) -> dict[str, float | None]:
    """Nothing is known of no errors."""
    return {
        f"{prefix}median_error": median(errors) if errors else None,
        f"{prefix}worst_error": max(errors, default=None),
    }
