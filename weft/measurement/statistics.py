"""How sure a mean of few paired measurements is, and quantiles."""

from collections.abc import Sequence
from math import ceil, inf, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

STUDENT_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
"""Quantile 0.975 of Student's t for 1, 2, … degrees of freedom (any table of it)."""


class Interval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside."""
        return not self.low <= value <= self.high


def mean_interval(values: Sequence[float]) -> Interval:
    """By Student's t. A single value gives an interval without width: that of a measurement without chance."""
    mean, freedom = fmean(values), len(values) - 1
    if not freedom:
        return Interval(mean, mean, mean)
    student = STUDENT_975[min(freedom, len(STUDENT_975)) - 1]
    half = student * stdev(values) / sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def quantile(values: Sequence[float], probability: float) -> float:
    """Nearest rank (Hyndman and Fan's first definition); infinite where there are none."""
    if not values:
        return inf
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, ceil(probability * len(ordered)) - 1))]
