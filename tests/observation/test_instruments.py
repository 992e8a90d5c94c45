from bisect import bisect_left
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError
from weft.observation.metrics import Bucket, Counter, Gauge, Histogram, LabelledCounter

BOUNDS = st.lists(st.integers(1, 100), min_size=1, max_size=8, unique=True).map(sorted)
VALUES = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 5)), max_size=20)


def filled(bounds: list[int], values: list[tuple[int, int]]) -> Histogram:
    histogram = Histogram(bounds)
    for value, count in values:
        histogram.observe(value, count)
    return histogram


def repeated(values: list[tuple[int, int]]) -> list[int]:
    return sorted(value for value, count in values for _ in range(count))


@given(bounds=BOUNDS, values=VALUES)
def test_a_histogram_counts_every_value_once(bounds: list[int], values: list[tuple[int, int]]) -> None:
    histogram, all_values = filled(bounds, values), repeated(values)
    assert histogram.count == len(all_values)
    assert histogram.sum == sum(all_values)
    assert histogram.buckets() == [
        Bucket(bound, sum(value <= bound for value in all_values)) for bound in [*bounds, inf]
    ]


@given(bounds=BOUNDS, values=VALUES, fraction=st.floats(0.001, 1))
def test_a_quantile_is_in_the_bucket_of_the_true_one(
    bounds: list[int], values: list[tuple[int, int]], fraction: float
) -> None:
    estimate, all_values = filled(bounds, values).quantile(fraction), repeated(values)
    if not all_values:
        assert estimate is None
        return
    true = next(value for rank, value in enumerate(all_values, start=1) if rank >= fraction * len(all_values))
    bucket = bisect_left(bounds, true)
    assert estimate is not None
    if bucket == len(bounds):
        assert estimate == bounds[-1]
    else:
        assert (bounds[bucket - 1] if bucket else 0) <= estimate <= bounds[bucket]


@given(bounds=BOUNDS, values=VALUES)
def test_quantiles_rise(bounds: list[int], values: list[tuple[int, int]]) -> None:
    histogram = filled(bounds, values)
    quantiles = [histogram.quantile(percent / 100) or 0 for percent in range(101)]
    assert all(low <= high for low, high in pairwise(quantiles))


def test_a_quantile_interpolates() -> None:
    histogram = Histogram([1.0, 2.0, 4.0, 8.0])
    histogram.observe(1.5, 10)
    histogram.observe(3.0, 10)
    assert histogram.quantile(0.25) == pytest.approx(1.5)
    assert histogram.quantile(0.5) == pytest.approx(2.0)
    assert histogram.quantile(0.75) == pytest.approx(3.0)
    assert histogram.quantile(1.0) == pytest.approx(4.0)


@pytest.mark.parametrize("bounds", [[], [1, 1], [2, 1], [0, 1], [-1, 1], [1, inf], [1, float("nan"), 3]])
def test_bounds_must_make_sense(bounds: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="must rise"):
        Histogram(bounds)


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_quantile_is_a_fraction(fraction: float) -> None:
    with pytest.raises(ConfigurationError, match="not from 0 to 1"):
        Histogram([1]).quantile(fraction)


def test_counter_and_gauge() -> None:
    counter, gauge = Counter(), Gauge()
    assert (counter.value, gauge.value) == (0, 0)
    counter.inc()
    counter.inc(4)
    gauge.set(7)
    gauge.set(2)
    assert (counter.value, gauge.value) == (5, 2)


def test_labels_are_bounded() -> None:
    counter = LabelledCounter(most_labels=2)
    for label in ("a", "b", "c", "a", "d"):
        counter.inc(label)
    assert counter.by_label == {"a": 2, "b": 1, "other": 2}
    assert counter.value == 5
