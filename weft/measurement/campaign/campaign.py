"""Many worlds, over several processes, and what came of them together."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from weft.measurement.campaign.drawing import draw_world
from weft.measurement.campaign.playing import play
from weft.measurement.campaign.world import Mode, ModelName
from weft.measurement.sweep_workers import Point, workers
from weft.observation import conditions
from weft.observation.conditions import Report, merge_reports, unhit_in

WORLDS_PER_BATCH = 20
BATCHES_PER_ROUND = 8
"""Per process; between rounds it is looked whether the time is up."""

ENOUGH_WORLDS = 400
"""In so many every situation must have been reached."""

SITUATIONS = (
    "router:",
    "link:",
    "health:",
    "breaker:",
    "retries:",
    "replica:",
    "cluster:",
    "fabric:",
    "provisioning:",
)
"""Prefixes of the conditions that a campaign must reach."""


class Failure(NamedTuple):
    """A world that broke an invariant."""

    seed: int
    mode: Mode
    violation: str
    detail: str
    model: ModelName = "fake"


class Batch(NamedTuple):
    """What came of some worlds. `digests`: by seed, of all that happened; empty where they were not asked for."""

    num_worlds: int
    seconds: float
    injected: Counter[str]
    ends: Counter[str]
    failures: tuple[Failure, ...]
    conditions: Report
    digests: tuple[tuple[str, int, str], ...]


def play_seeds(mode: Mode, seeds: Sequence[int], digests: bool = False, model: ModelName = "fake") -> Batch:
    """In this process, one after the other."""
    conditions.reset()
    injected, ends, seconds = Counter[str](), Counter[str](), 0.0
    failures, found = list[Failure](), list[tuple[str, int, str]]()
    for seed in seeds:
        outcome = play(draw_world(seed, mode, model), digests=digests)
        injected.update(outcome.injected)
        ends.update(outcome.ends)
        seconds += outcome.seconds
        if outcome.violation is not None:
            failures.append(Failure(seed, mode, outcome.violation, outcome.detail, model))
        if digests:
            found.append((mode, seed, outcome.digest))
    return Batch(len(seeds), seconds, injected, ends, tuple(failures), conditions.report(), tuple(found))


def merged(batches: Sequence[Batch]) -> Batch:
    """All of them as one."""
    injected, ends = Counter[str](), Counter[str]()
    for batch in batches:
        injected.update(batch.injected)
        ends.update(batch.ends)
    return Batch(
        sum(batch.num_worlds for batch in batches),
        sum(batch.seconds for batch in batches),
        injected,
        ends,
        tuple(failure for batch in batches for failure in batch.failures),
        merge_reports(*(batch.conditions for batch in batches)),
        tuple(digest for batch in batches for digest in batch.digests),
    )


def run_campaign(
    modes: Sequence[Mode],
    seeds: range,
    num_processes: int,
    *,
    is_time_up: Callable[[], bool] = lambda: False,
    ended: Callable[[int], object] = lambda num_worlds: None,
    digests: bool = False,
    model: ModelName = "fake",
) -> Batch:
    """Every seed in every mode; `ended` is told of worlds that are over. Once `is_time_up`, no more are begun."""
    points = list(_points(modes, seeds, {"digests": digests, "model": model}))
    size = BATCHES_PER_ROUND * num_processes
    batches = list[Batch]()

    def batch_ended() -> None:
        ended(min(WORLDS_PER_BATCH, len(seeds)))

    with workers(num_processes, batch_ended, play_seeds) as run_all:
        for start in range(0, len(points), size):
            if not is_time_up():
                batches += run_all(points[start : start + size])
    return merged(batches)


def _points(modes: Sequence[Mode], seeds: range, how: Mapping[str, object]) -> Iterator[Point]:
    for start in range(0, len(seeds), WORLDS_PER_BATCH):
        some = seeds[start : start + WORLDS_PER_BATCH]
        for mode in modes:
            yield Point({"mode": mode, "first seed": some[0]}, {"mode": mode, "seeds": some, **how})


def unreached(batch: Batch) -> list[str]:
    """Situations that a campaign of enough worlds has not been in."""
    return [name for prefix in SITUATIONS for name in unhit_in(batch.conditions, prefix)]


@contextmanager
def hash_seed(seed: int) -> Iterator[None]:
    """Processes that are started meanwhile have this hash seed."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before


def differing(first: Batch, second: Batch) -> list[tuple[str, int]]:
    """Mode and seed of worlds that did not happen twice alike."""
    known = {(mode, seed): digest for mode, seed, digest in first.digests}
    return [
        (mode, seed) for mode, seed, digest in second.digests if known.get((mode, seed), digest) != digest
    ]
