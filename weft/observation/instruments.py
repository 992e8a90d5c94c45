"""What a metric is: a counter, a counter per label, a gauge, a histogram. No I/O, no locks, no clock."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import inf, isfinite
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError

OTHER = "other"
"""The label that takes what comes when a counter has as many labels as it may."""


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, amount: int = 1) -> None:
        """Add `amount`, 0 or more."""
        self.value += amount


class Sum:
    """A measure, such as of seconds, that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float) -> None:
        """Add `amount`, 0 or more."""
        self.value += amount


class LabelledCounter:
    """A number that only grows, split by a label.

    Labels may come from free text, so beyond `most_labels` of them the rest is counted as "other".
    """

    __slots__ = ("by_label", "most_labels", "value")

    def __init__(self, most_labels: int = 64) -> None:
        self.by_label: dict[str, int] = {}
        self.most_labels = most_labels
        self.value = 0

    def inc(self, label: str, amount: int = 1) -> None:
        """Add `amount`, 0 or more, to the label and to the total, `value`."""
        self.value += amount
        if label not in self.by_label and len(self.by_label) >= self.most_labels:
            label = OTHER
        self.by_label[label] = self.by_label.get(label, 0) + amount


class Gauge:
    """A number that goes up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def set(self, value: int) -> None:
        """Replace the value."""
        self.value = value


class Bucket(NamedTuple):
    """How many values were at most `upper_bound`, those of lower buckets included."""

    upper_bound: float
    cumulative_count: int


class Histogram:
    """How values (0 or more) are distributed over fixed buckets; a value on a bound is below it.

    `upper_bounds`: rising and finite; a last bucket without bound is added. `sum` and `count` are exact.
    Raises ConfigurationError where the bounds are none, or do not rise, or are not above 0 and finite.
    """

    __slots__ = ("_counts", "count", "sum", "upper_bounds")

    def __init__(self, upper_bounds: Sequence[float]) -> None:
        self.upper_bounds = tuple(upper_bounds)
        edges = (0.0, *self.upper_bounds)
        rises = all(low < high for low, high in zip(edges, self.upper_bounds, strict=False))
        if not self.upper_bounds or not rises or not isfinite(edges[-1]):
            raise ConfigurationError(
                f"histogram bounds {self.upper_bounds} must rise from above 0 and be finite"
            )
        self._counts = [0] * (len(self.upper_bounds) + 1)
        self.count = 0
        self.sum = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Count a value, `count` times; none where `count` is 0."""
        self._counts[bisect_left(self.upper_bounds, value)] += count
        self.count += count
        self.sum += value * count

    def observe_gaps(self, times: Sequence[float], count: int = 1) -> None:
        """Count the differences between two or more numbers and their next, each `count` times."""
        for earlier, later in pairwise(times):
            self.observe(later - earlier, count)

    def buckets(self) -> list[Bucket]:
        """Cumulative counts by bound, the last bound infinite: the form in which scrapers want them."""
        buckets, total = [], 0
        for upper_bound, count in zip((*self.upper_bounds, inf), self._counts, strict=True):
            total += count
            buckets.append(Bucket(upper_bound, total))
        return buckets

    def quantile(self, fraction: float) -> float | None:
        """An estimate of the value that `fraction` of all values do not exceed; None where there are none.

        Values are taken to be spread evenly over their bucket, so the error is at most the bucket's width;
        beyond the last finite bound that bound is returned. Raises ConfigurationError where `fraction` is not
        from 0 to 1.
        """
        if not 0 <= fraction <= 1:
            raise ConfigurationError(f"quantile {fraction} is not from 0 to 1")
        rank, below, lower_bound = fraction * self.count, 0, 0.0
        for upper_bound, count in zip(self.upper_bounds, self._counts, strict=False):
            if count and below + count >= rank:
                return lower_bound + (upper_bound - lower_bound) * (rank - below) / count
            below += count
            lower_bound = upper_bound
        return lower_bound if self.count else None
