"""What paired measurements say of an effect, and how sure that is."""

from collections.abc import Sequence
from math import ceil, exp, inf, log, sqrt
from statistics import fmean, median, stdev
from typing import NamedTuple

from weft.papers.card import Effect, Pair

STUDENT_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)
"""Quantile 0.975 of Student's t for 1, 2, … degrees of freedom (any table of it)."""


class Interval(NamedTuple):
    """An effect with its 95 % interval."""

    mean: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether the value lies outside."""
        return not self.low <= value <= self.high


def paired_effect(pairs: Sequence[Pair], effect: Effect) -> Interval:
    """The effect over seeds, from the differences within pairs (of logarithms, where it is a ratio).

    So what a seed does to both sides cancels (common random numbers). A single pair gives an interval without width:
    that of a measurement without chance. A ratio of values that are not above 0 is not defined: it raises ValueError.
    """
    differences = [_difference(pair, effect) for pair in pairs]
    mean, half = fmean(differences), _half_width(differences)
    values = (mean, mean - half, mean + half)
    return Interval(*(map(exp, values) if effect is Effect.RATIO else values))


def _difference(pair: Pair, effect: Effect) -> float:
    if effect is Effect.RATIO:
        return log(pair.technique) - log(pair.baseline)
    return pair.technique - pair.baseline


def _half_width(differences: Sequence[float]) -> float:
    freedom = len(differences) - 1
    if not freedom:
        return 0.0
    student = STUDENT_975[min(freedom, len(STUDENT_975)) - 1]
    return student * stdev(differences) / sqrt(len(differences))


def median_of(effects: Sequence[Interval]) -> float:
    """The median of the effects, as one sees it over a grid."""
    return median(effect.mean for effect in effects)


def quantile(values: Sequence[float], probability: float) -> float:
    """Nearest rank (Hyndman and Fan's first definition); infinite where there are none."""
    if not values:
        return inf
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, ceil(probability * len(ordered)) - 1))]
