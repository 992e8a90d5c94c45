import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.log_histogram import LEAST, RELATIVE_ERROR, LogHistogram

values = st.lists(st.just(0.0) | st.floats(1.001 * LEAST, 1e7), min_size=1, max_size=80)


def filled(numbers: list[float]) -> LogHistogram:
    histogram = LogHistogram()
    for number in numbers:
        histogram.observe(number)
    return histogram


@given(values, st.floats(0, 1))
def test_quantiles_are_those_of_numpy_within_the_error(numbers: list[float], share: float) -> None:
    exact = float(numpy.percentile(numbers, 100 * share))
    assert filled(numbers).quantile(share) == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-6, abs=0)


@given(values)
def test_ends_and_mean_are_exact(numbers: list[float]) -> None:
    histogram = filled(numbers)
    assert histogram.quantile(0) == min(numbers)
    assert histogram.quantile(1) == max(numbers)
    assert histogram.mean == pytest.approx(sum(numbers) / len(numbers))


@given(values, st.integers(1, 5))
def test_a_value_can_be_counted_several_times(numbers: list[float], times: int) -> None:
    once = LogHistogram()
    for number in numbers:
        once.observe(number, times)
    repeated = filled([number for number in numbers for _ in range(times)])
    assert (once.count, once.quantile(0.3)) == (repeated.count, repeated.quantile(0.3))


def test_the_error_is_at_most_one_percent() -> None:
    assert RELATIVE_ERROR <= 0.01


def test_memory_is_bounded() -> None:
    histogram = LogHistogram()
    for index in range(20_000):
        histogram.observe(1e-9 * 1.002**index % 3e7)
    assert len(histogram._buckets) <= 7100


def test_without_values_there_is_nothing_to_tell() -> None:
    assert LogHistogram().mean is None
    assert LogHistogram().quantile(0.5) is None
