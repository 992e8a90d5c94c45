"""How long pieces of work take that take turns."""

from collections.abc import Callable, Sequence
from time import perf_counter


def best_in_turns(contenders: Sequence[Callable[[], object]], turns: int) -> list[float]:
    """Seconds of each, all taking turns; the first turn warms up and does not count, of the others the shortest does:
    what else runs on the machine can only add."""
    rounds = [[_seconds(contender) for contender in contenders] for _ in range(turns + 1)]
    return [min(times) for times in zip(*rounds[1:], strict=True)]


def _seconds(work: Callable[[], object]) -> float:
    begun_s = perf_counter()
    work()
    return perf_counter() - begun_s
