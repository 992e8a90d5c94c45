"""The same requests under each policy, seed by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.comparison.contestants import Contestant
from weft.measurement.comparison.run_figures import MORE_IS_BETTER, RunFigures
from weft.measurement.comparison.trial import PLAIN, Question, Run, run_trial
from weft.measurement.statistics import Interval, mean_interval
from weft.measurement.sweep_workers import Point, workers

LEAST_SEEDS = 2
SENSITIVITY: Mapping[str, Sequence[float]] = {
    "load": (0.5, 0.75, 0.9, 1.1, 1.25),
    "outputs": (0.5, 2.0),
    "burstiness": (0.5, 2.0, 4.0),
}
"""What a workload is varied by, one at a time: fields of `Variation`."""

Told = Callable[[int, int], None]
"""Told after each trial: how many are over, and how many there are."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`figures`: of each contestant, by seed; the first contestant is the baseline."""

    contestants: Sequence[Contestant]
    figures: Mapping[str, Sequence[RunFigures]]

    def mean(self, name: str, figure: str) -> float:
        """Over seeds."""
        return mean_interval(self._values(name, figure)).mean

    def gain(self, name: str, figure: str, against: str | None = None) -> Interval:
        """How much better than the baseline (or another), as a share of its mean: from the differences within seeds, so
        that what a seed does to both cancels. Above 0 is better, whichever way the figure counts."""
        base = self._values(against or self.contestants[0].name, figure)
        scale = abs(mean_interval(base).mean) or 1.0
        sign = 1.0 if figure in MORE_IS_BETTER else -1.0
        pairs = zip(self._values(name, figure), base, strict=True)
        return mean_interval([sign * (mine - other) / scale for mine, other in pairs])

    def best(self, figure: str) -> str | None:
        """Who is better than each other one, by intervals that say so; None: nobody."""
        names = [each.name for each in self.contestants]
        for name in names:
            if all(self.gain(name, figure, other).low > 0.0 for other in names if other != name):
                return name
        return None

    def _values(self, name: str, figure: str) -> list[float]:
        return [getattr(each, figure) for each in self.figures[name]]

    def as_json(self) -> dict[str, Any]:
        """Every figure of every run."""
        return {name: [each._asdict() for each in runs] for name, runs in self.figures.items()}


@dataclass(frozen=True, slots=True)
class Comparison:
    """`plain`: the workload as it is. `varied`: one thing changed at a time."""

    question: Question
    plain: Outcome
    varied: Mapping[tuple[str, float], Outcome] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """All figures; variations as a list."""
        varied = [
            {"axis": axis, "value": value, **each.as_json()} for (axis, value), each in self.varied.items()
        ]
        objective = {"ttft_s": self.question.objective.ttft_s, "tpot_s": self.question.objective.tpot_s}
        about = {"model": self.question.model, "workload": self.question.workload, "rate": self.question.rate}
        return {
            **about,
            "objective": objective,
            "told": self.question.told,
            "plain": self.plain.as_json(),
            "varied": varied,
        }


def compare(
    question: Question,
    contestants: Sequence[Contestant],
    *,
    seeds: int = 5,
    axes: Sequence[str] = (),
    jobs: int = 1,
    run: Run = run_trial,
    progress: Told | None = None,
) -> Comparison:
    """Run every contestant on the same requests, for each seed, and for each variation along `axes`.

    `jobs`: how many processes; it changes no result. `run`: what makes the figures of a trial. The contestants take
    turns seed by seed, so that what drifts over time, such as the speed of a machine, hits all of them. Raises
    `ConfigurationError` or `SweepError` for what cannot be.
    """
    if seeds < LEAST_SEEDS:
        raise ConfigurationError(f"seeds is {seeds}; an interval takes at least {LEAST_SEEDS}")
    for axis in axes:
        if axis not in SENSITIVITY:
            raise ConfigurationError(f"there is no axis {axis!r}; choose from {', '.join(SENSITIVITY)}")
    places = [("", 1.0), *((axis, value) for axis in axes for value in SENSITIVITY[axis])]
    grid = [(place, seed, each) for place in places for seed in range(seeds) for each in contestants]
    points = [_point(question, *place, each, seed) for place, seed, each in grid]
    counter = _Counter(progress, len(points))
    with workers(min(jobs, len(points)), counter.ended, run) as run_all:
        found = run_all(points)
    outcomes = {place: _outcome(contestants, place, grid, found) for place in places}
    return Comparison(question, outcomes.pop(("", 1.0)), outcomes)


Place = tuple[str, float]


def _outcome(
    contestants: Sequence[Contestant],
    place: Place,
    grid: Sequence[tuple[Place, int, Contestant]],
    found: Sequence[RunFigures],
) -> Outcome:
    figures: dict[str, list[RunFigures]] = {each.name: [] for each in contestants}
    for (at, _, contestant), each in zip(grid, found, strict=True):
        if at == place:
            figures[contestant.name].append(each)
    return Outcome(contestants, figures)


def _point(question: Question, axis: str, value: float, contestant: Contestant, seed: int) -> Point:
    variation = PLAIN._replace(**{axis: value}) if axis else PLAIN
    at: dict[str, float | str] = {"policies": contestant.name, "seed": seed}
    arguments = {
        "question": question,
        "choices": dict(contestant.choices),
        "seed": seed,
        "variation": variation,
    }
    return Point(at | ({axis: value} if axis else {}), arguments)


class _Counter:
    def __init__(self, progress: Told | None, num_known: int) -> None:
        self._progress, self._num_known, self._num_ended = progress, num_known, 0

    def ended(self) -> None:
        self._num_ended += 1
        if self._progress is not None:
            self._progress(self._num_ended, self._num_known)
