"""Errors are those of a prediction, as shares of what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.validation.figures import Errors, Pair, covered_share, latency_figures, quantile

PAIRS = [Pair(1.0, 1.1), Pair(2.0, 1.0), Pair(4.0, 4.0)]


def test_errors_are_shares_of_what_was_measured() -> None:
    assert [pair.error for pair in PAIRS] == pytest.approx([0.1, -0.5, 0.0])
    found = Errors.of("step", PAIRS, beside_a_constant=True)
    assert (found.number, found.median, found.p90, found.bias) == pytest.approx((3, 0.1, 0.5, 0.0))
    assert (found.constant_median, found.constant_p90) == pytest.approx((0.5, 1.0))
    assert Errors.of("step", PAIRS).constant_median is None


def test_latencies_are_compared_by_their_quantiles() -> None:
    figures = latency_figures("TTFT", PAIRS)
    assert figures[0].name == "TTFT mean"
    assert figures[0][1:] == pytest.approx((7 / 3, 6.1 / 3))
    assert figures[1:] == [("TTFT p50", 2.0, 1.1), ("TTFT p90", 4.0, 4.0), ("TTFT p99", 4.0, 4.0)]
    assert latency_figures("TTFT", []) == []


@given(st.lists(st.floats(0.0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_the_least_value_that_covers_its_share(values: list[float], share: float) -> None:
    ranked = sorted(values)
    found = quantile(ranked, share)
    assert sum(each <= found for each in ranked) >= share * len(ranked) * (1 - 1e-9)
    assert sum(each < found for each in ranked) < share * len(ranked)


def test_an_interval_is_about_the_prediction() -> None:
    pairs = [Pair(1.2, 1.0), Pair(0.8, 1.0), Pair(1.21, 1.0), Pair(0.7, 1.0)]
    assert covered_share(pairs, 0.2000001) == 0.5
