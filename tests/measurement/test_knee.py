"""The knee is found where it is, in few steps, whatever is known before and however many are tried at once."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from tests.simulator.simulated_service import MODEL, Listed
from weft.measurement.knee import CLOSE, Bisection, SecondHalf, run_length_s, second_half
from weft.workloads.errors import WorkloadError


def found(true_knee: float, low: float, high: float, at_once: int) -> tuple[Bisection, list[float]]:
    """The finished search of a service that keeps up with anything up to `true_knee`, and the rates on its way."""
    search, taken = Bisection({rate: rate <= true_knee for rate in (low, high)}), []
    while not search.is_over:
        tried = {rate: rate <= true_knee for rate in search.candidates(at_once)}
        assert tried
        taken += search.descend(tried.get)
    return search, taken


@given(st.floats(0.01, 1000.0), st.floats(1.03, 500.0), st.floats(0.001, 0.999), st.integers(1, 9))
def test_it_is_found_to_two_percent(low: float, ratio: float, share: float, at_once: int) -> None:
    high = low * ratio
    true_knee = low * ratio**share
    search, taken = found(true_knee, low, high, at_once)
    assert search.kept_up <= true_knee < search.fell_behind <= search.kept_up * CLOSE
    assert taken == found(true_knee, low, high, 1)[1]
    assert len(taken) <= 12


def test_outside_the_range_nothing_is_tried() -> None:
    below, above = Bisection({1.0: False, 2.0: False}), Bisection({1.0: True, 2.0: True})
    assert below.is_over
    assert above.is_over
    assert below.candidates(3) == above.candidates(3) == []
    assert (below.kept_up, below.fell_behind) == (-inf, 1.0)
    assert below.knee({}).rate_per_s is above.knee({}).rate_per_s is None
    assert above.knee({}).kept_up == 2.0


def test_the_highest_rate_that_was_kept_up_with_counts() -> None:
    search = Bisection({1.0: True, 2.0: False, 3.0: True, 4.0: False, 5.0: False})
    assert (search.kept_up, search.fell_behind) == (3.0, 4.0)


def test_within_five_percent_is_kept_up() -> None:
    assert SecondHalf(1.0, 100.0, 95.0).keeps_up
    assert SecondHalf(1.0, 100.0, 120.0).keeps_up
    assert not SecondHalf(1.0, 100.0, 94.9).keeps_up


def test_runs_are_ten_minutes_or_long_enough_for_a_thousand_requests() -> None:
    assert run_length_s(40.0) == 600.0
    assert run_length_s(0.5) == 2400.0


def test_the_second_half_counts_what_came_and_what_came_out() -> None:
    load = Listed([(float(second), 20, 30) for second in range(100)])
    half = second_half(weft.simulate(MODEL, load), 100.0)
    assert half.offered_requests_per_s == 1.0
    assert half.offered_tokens_per_s == 30.0
    assert half.output_tokens_per_s == pytest.approx(30.0, rel=0.01)


def test_a_load_that_ends_early_is_refused() -> None:
    result = weft.simulate(MODEL, Listed([(float(second), 20, 3) for second in range(10)]))
    with pytest.raises(WorkloadError, match="arrives after 9 s, and the knee needs arrivals for 600 s"):
        second_half(result, 600.0)
