"""What was measured beside what is predicted, and how far they lie apart."""

from collections.abc import Iterable, Sequence
from math import ceil
from statistics import fmean, median
from typing import NamedTuple

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class Pair(NamedTuple):
    """One value, in seconds."""

    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Of the prediction, as a share of what was measured; below 0: too little is predicted."""
        return self.predicted / self.measured - 1.0


class Figure(NamedTuple):
    """A figure of a whole run: of its latencies in seconds, of its throughput in output tokens per second."""

    name: str
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """As that of a `Pair`."""
        return Pair(self.measured, self.predicted).error


class Errors(NamedTuple):
    """Over many values of one kind: the median and 90th percentile of the errors without their sign, as shares, and the
    median with it. `constant_median`, `constant_p90`: what predicting the measured median for all of them would give;
    None where a constant says nothing, because the values are of different loads."""

    name: str
    number: int
    median: float
    p90: float
    bias: float
    constant_median: float | None = None
    constant_p90: float | None = None

    @classmethod
    def of(cls, name: str, pairs: Sequence[Pair], beside_a_constant: bool = False) -> "Errors":
        """Of at least one pair."""
        errors = sorted(abs(pair.error) for pair in pairs)
        bias = median(pair.error for pair in pairs)
        constant: tuple[float | None, float | None] = (None, None)
        if beside_a_constant:
            middle = median(pair.measured for pair in pairs)
            apart = sorted(abs(middle / pair.measured - 1.0) for pair in pairs)
            constant = quantile(apart, 0.5), quantile(apart, 0.9)
        return cls(name, len(pairs), quantile(errors, 0.5), quantile(errors, 0.9), bias, *constant)


def quantile(ranked: Sequence[float], share: float) -> float:
    """The least value that so large a share of them do not exceed."""
    return ranked[max(0, ceil(share * len(ranked)) - 1)]


def latency_figures(name: str, pairs: Iterable[Pair]) -> list[Figure]:
    """The mean and the quantiles of what was measured, and those of what is predicted; none of no pairs."""
    listed = list(pairs)
    if not listed:
        return []
    measured, predicted = (sorted(side) for side in zip(*listed, strict=True))
    found = [Figure(f"{name} mean", fmean(measured), fmean(predicted))]
    return found + [
        Figure(f"{name} {of}", quantile(measured, share), quantile(predicted, share))
        for of, share in QUANTILES.items()
    ]


def covered_share(pairs: Sequence[Pair], relative_error: float) -> float:
    """How many measured values lie at most so far from the prediction, as a share of it."""
    inside = sum(abs(pair.measured / pair.predicted - 1.0) <= relative_error for pair in pairs)
    return inside / len(pairs)
