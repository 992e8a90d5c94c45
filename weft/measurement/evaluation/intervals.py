"""Figures with their 95 % intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

NORMAL_QUANTILE = 1.959964
"""Of the standard normal distribution at 97.5 %."""
FEWEST_CLUSTERS = 10
"""With fewer, the spread between clusters says too little for an interval."""


@dataclass(frozen=True, slots=True)
class Figure:
    """`low`, `high`: ends of the 95 % interval; None where too little was seen to tell. `n`: what it is a mean over."""

    value: float
    low: float | None
    high: float | None
    n: int

    def scaled(self, factor: float) -> "Figure":
        """In another unit."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return Figure(self.value * factor, low, high, self.n)


def share(count: int, n: int) -> Figure | None:
    """`count` of `n`, with Wilson's score interval (JASA 22(158), 1927, pages 209 to 212); None of nothing."""
    if n == 0:
        return None
    part, square = count / n, NORMAL_QUANTILE**2
    centre = (part + square / (2 * n)) / (1 + square / n)
    half = NORMAL_QUANTILE / (1 + square / n) * math.sqrt(part * (1 - part) / n + square / (4 * n * n))
    return Figure(part, min(part, max(0.0, centre - half)), max(part, min(1.0, centre + half)), n)


def ratio(totals: Sequence[float], sizes: Sequence[int], *, most: float = math.inf) -> Figure | None:
    """The sum of `totals` over the sum of `sizes`, each a cluster whose members depend on each other: the positions
    of one answer, the tokens of one passage. It lies between 0 and `most`. None of nothing.

    The interval comes from the spread between clusters: the linearised variance of a ratio (Cochran, Sampling
    Techniques, 3rd edition, 1977, chapter 6).
    """
    n = sum(sizes)
    if n == 0:
        return None
    value, num_clusters = math.fsum(totals) / n, len(sizes)
    if num_clusters < FEWEST_CLUSTERS:
        return Figure(value, None, None, n)
    squares = math.fsum((total - value * size) ** 2 for total, size in zip(totals, sizes, strict=True))
    half = NORMAL_QUANTILE * math.sqrt(squares * num_clusters / (num_clusters - 1)) / n
    return Figure(value, max(0.0, value - half), min(most, value + half), n)
