"""Simulating a service at many points, and finding its knee."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.knee import Bisection, Knee, SecondHalf, second_half
from weft.measurement.simulation import SimulationResult, simulate
from weft.measurement.sweep_plan import SweepPlan, Values
from weft.measurement.sweep_workers import Point, RunAll, naming, workers
from weft.workloads.sessions import Workload


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """`at`: the swept values by name. `half`: how it kept up, where the knee was looked for."""

    at: Mapping[str, float]
    result: SimulationResult
    half: SecondHalf | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """`points` in the order of their values; `knees`: one for each combination of the values besides the rate."""

    points: tuple[SweepPoint, ...]
    knees: tuple[Knee, ...]

    def as_json(self) -> dict[str, Any]:
        """What each point's result says, with its values as `at`."""
        points = [
            {"at": dict(point.at), **_half(point.half), **point.result.as_json()} for point in self.points
        ]
        knees = [
            {
                "at": dict(knee.at),
                "rate_per_s": knee.rate_per_s,
                "kept_up": knee.kept_up,
                "fell_behind": knee.fell_behind,
            }
            for knee in self.knees
        ]
        return {"points": points, "knees": knees}


def _half(half: SecondHalf | None) -> dict[str, Any]:
    if half is None:
        return {}
    figures = {name: getattr(half, name) for name in SecondHalf.__dataclass_fields__}
    return {"second_half": {**figures, "keeps_up": half.keeps_up}}


Told = Callable[[int, int], None]
"""Told after each point: how many are over, and how many are known to be needed."""


def sweep(
    model: str,
    workload: str | Workload,
    over: Mapping[str, Values],
    *,
    jobs: int = 1,
    progress: Told | None = None,
    **arguments: Any,
) -> Sweep:
    """Simulate every combination of values, and where the rate is a `Span`, find the knee.

    `over`: for arguments of `simulate` (rate, requests, replicas, max_num_seqs, …), the values to try. `jobs`: how
    many processes; it changes no result. `arguments`: of `simulate`, the same at every point. All points see the same
    sessions of the same seed (common random numbers). A rate's span makes every run as long as the knee needs: ten
    minutes, or longer where that is fewer than 1,000 requests; `duration_s` makes it longer. Raises `SweepError`,
    which names the point, or another `WeftError`.
    """
    plan = SweepPlan(model, workload, over, arguments)
    if jobs < 1:
        raise ConfigurationError(f"jobs is {jobs}; give at least 1")
    counter = _Counter(progress)
    useful = jobs if plan.finds_knee else min(jobs, len(plan.grid))
    with workers(useful, counter.ended, simulate) as run_all:
        return _Search(plan, _counted(run_all, counter), jobs).sweep()


Others = tuple[tuple[str, float], ...]
"""The values of a point besides the rate."""


class _Search:
    """Runs the points of a plan, and then those that narrow down its knees, all of them in step."""

    def __init__(self, plan: SweepPlan, run_all: RunAll[SimulationResult], jobs: int) -> None:
        self._plan, self._run_all, self._jobs = plan, run_all, jobs

    def sweep(self) -> Sweep:
        """The points of the plan, those on the way to the knees, and the knees."""
        points = self._run(self._plan.grid)
        if not self._plan.finds_knee:
            return Sweep(tuple(points), ())
        lines: dict[Others, dict[float, SweepPoint]] = {}
        for point in points:
            lines.setdefault(_others(point.at), {})[point.at["rate"]] = point
        knees = self._knees(lines)
        ordered = [line[rate] for line in lines.values() for rate in sorted(line)]
        return Sweep(tuple(ordered), knees)

    def _knees(self, lines: dict[Others, dict[float, SweepPoint]]) -> tuple[Knee, ...]:
        searches = {others: Bisection(_kept_up(line)) for others, line in lines.items()}
        while unfinished := [others for others, search in searches.items() if not search.is_over]:
            each = max(1, self._jobs // len(unfinished))
            wanted = {others: searches[others].candidates(each) for others in unfinished}
            tried = self._run([self._at(others, rate) for others in wanted for rate in wanted[others]])
            for others in unfinished:
                line = {point.at["rate"]: point for point in tried if _others(point.at) == others}
                kept = _kept_up(line)
                lines[others] |= {rate: line[rate] for rate in searches[others].descend(kept.get)}
        return tuple(search.knee(dict(others)) for others, search in searches.items())

    def _at(self, others: Others, rate: float) -> dict[str, float]:
        """In the order in which the values were named."""
        values = {**dict(others), "rate": rate}
        return {name: values[name] for name in self._plan.grid[0]}

    def _run(self, grid: Sequence[Mapping[str, float]]) -> list[SweepPoint]:
        results = self._run_all([self._plan.point(at) for at in grid])
        return [self._point(at, result) for at, result in zip(grid, results, strict=True)]

    def _point(self, at: Mapping[str, float], result: SimulationResult) -> SweepPoint:
        if not self._plan.finds_knee:
            return SweepPoint(at, result)
        with naming(at):
            return SweepPoint(at, result, second_half(result, self._plan.length_s(at)))


def _others(at: Mapping[str, float]) -> Others:
    return tuple((name, value) for name, value in at.items() if name != "rate")


def _kept_up(line: Mapping[float, SweepPoint]) -> dict[float, bool]:
    return {rate: point.half.keeps_up for rate, point in line.items() if point.half is not None}


class _Counter:
    """Points that are over, of those known to be needed."""

    def __init__(self, progress: Told | None) -> None:
        self._progress = progress
        self.num_ended = self.num_known = 0

    def ended(self) -> None:
        self.num_ended += 1
        if self._progress is not None:
            self._progress(self.num_ended, self.num_known)


def _counted(run_all: RunAll[SimulationResult], counter: _Counter) -> RunAll[SimulationResult]:
    def run(points: Sequence[Point]) -> list[SimulationResult]:
        counter.num_known += len(points)
        return run_all(points)

    return run
