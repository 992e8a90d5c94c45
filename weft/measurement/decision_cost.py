"""What a decision costs."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import NamedTuple

REPEATS = 15


class DecisionCost(NamedTuple):
    """Microseconds, the median over repetitions. `decision`: what is asked."""

    kind: str
    name: str
    decision: str
    microseconds: float


def microseconds(decide: Callable[[], object]) -> float:
    """Of one call, the median over repetitions."""
    times_s = []
    for _ in range(REPEATS):
        begun_s = perf_counter()
        decide()
        times_s.append(perf_counter() - begun_s)
    return median(times_s) * 1e6
