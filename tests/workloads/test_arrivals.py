from itertools import islice, pairwise
from math import sqrt
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.samples import cv
from weft.contracts.errors import ConfigurationError
from weft.workloads.arrivals import Arrivals, constant, gamma, poisson
from weft.workloads.rate_profiles import Cycle, RateProfile, Segment, Switching, diurnal, pulses, windows


def times(arrivals: Arrivals, number: int = 20_000, seed: int = 1) -> list[float]:
    return list(islice(arrivals.times_s(seed), number))


def gaps(arrivals: Arrivals, number: int = 20_000) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times(arrivals, number))]


def counts(times_s: list[float], window_s: float) -> list[int]:
    found = [0] * int(times_s[-1] // window_s)
    for time_s in times_s:
        if time_s < window_s * len(found):
            found[int(time_s // window_s)] += 1
    return found


def correlation(one: list[int], other: list[int]) -> float:
    mean_one, mean_other = fmean(one), fmean(other)
    products = fmean((a - mean_one) * (b - mean_other) for a, b in zip(one, other, strict=True))
    return products / sqrt(pvariance(one) * pvariance(other))


@pytest.mark.parametrize("rate_per_s", [0.2, 5.0, 3000.0])
def test_each_process_has_its_rate_and_variation(rate_per_s: float) -> None:
    for arrivals, expected_cv in (
        (poisson(rate_per_s), 1.0),
        (gamma(rate_per_s, 3.0), 3.0),
        (constant(rate_per_s), 0.0),
    ):
        found = gaps(arrivals)
        assert fmean(found) == pytest.approx(1 / rate_per_s, rel=0.06)
        assert cv(found) == pytest.approx(expected_cv, rel=0.06, abs=1e-6)


def test_poisson_counts_are_as_variable_as_they_are_large() -> None:
    found = counts(times(poisson(5.0)), 10.0)
    assert pvariance(found) / fmean(found) == pytest.approx(1.0, abs=0.1)
    assert correlation(found[:-1], found[1:]) == pytest.approx(0.0, abs=0.1)


def test_a_switching_rate_is_bursty_over_its_dwell_times() -> None:
    arrivals = poisson(10.0, Switching((1.0, 9.0), (60.0, 20.0)))
    times_s = times(arrivals, 60_000)
    found = counts(times_s, 5.0)
    assert len(times_s) / times_s[-1] == pytest.approx(10.0, rel=0.15)
    assert pvariance(found) / fmean(found) > 10
    assert correlation(found[:-1], found[1:]) > 0.6
    assert correlation(found[:-100], found[100:]) < 0.2


def test_a_day_rises_and_falls() -> None:
    arrivals = poisson(10.0, diurnal(1.8, period_s=1000.0))
    by_quarter = counts(times(arrivals, 100_000), 250.0)
    quarters = [fmean(by_quarter[quarter::4]) for quarter in range(4)]
    assert quarters[0] == pytest.approx(2500 * (1 + 0.8 * 2 / 3.1416), rel=0.05)
    assert quarters[2] == pytest.approx(2500 * (1 - 0.8 * 2 / 3.1416), rel=0.05)


def test_pulses_come_when_they_are_said_to() -> None:
    arrivals = constant(10.0)
    pulsed = Arrivals(10.0, arrivals.gaps, pulses(100.0, 10.0, 11.0))
    found = counts(times(pulsed, 10_000), 10.0)
    assert fmean(found[9::10]) == pytest.approx(11 * fmean(found[0::10]), rel=0.02)


def test_silence_is_kept() -> None:
    profile = windows(10.0, (1.0, 0.0, 1.0))
    times_s = times(poisson(30.0, profile), 5_000)
    assert all(not 10.0 < time_s % 30.0 < 20.0 for time_s in times_s)
    assert len(times_s) / times_s[-1] == pytest.approx(30.0, rel=0.05)


@pytest.mark.parametrize(
    "profile", [windows(5.0, (1.0, 4.0)), Switching((1.0, 5.0), (3.0, 3.0)), diurnal(1.5, 60.0)]
)
def test_another_rate_keeps_the_pattern_in_time(profile: RateProfile) -> None:
    slow, fast = poisson(40.0, profile), poisson(40.0, profile).at_rate(80.0)
    some, more = counts(times(slow, 40_000), 1.0), counts(times(fast, 80_000), 1.0)
    both = min(len(some), len(more))
    assert correlation(some[:both], more[:both]) > 0.5
    assert fmean(more) == pytest.approx(2 * fmean(some), rel=0.05)


@given(st.integers(), st.floats(0.001, 1000.0), st.floats(0.2, 4.0))
def test_time_never_runs_backwards(seed: int, rate_per_s: float, gap_cv: float) -> None:
    arrivals = gamma(rate_per_s, gap_cv, Cycle((Segment(1.0, 0.0), Segment(0.1, 3.0), Segment(2.0, 0.5))))
    times_s = times(arrivals, 50, seed)
    assert times_s == sorted(times_s)
    assert times_s == times(arrivals, 50, seed)


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, 1e9, 1e-9, float("nan"), float("inf")])
def test_absurd_rates_are_refused(rate_per_s: float) -> None:
    with pytest.raises(ConfigurationError, match=r"requests/s; choose one from 1e-06 to 1e\+06"):
        poisson(rate_per_s)


def test_profiles_that_cannot_be_are_refused() -> None:
    makers = (
        lambda: windows(10.0, ()),
        lambda: windows(10.0, (0.0, 0.0)),
        lambda: windows(0.0, (1.0,)),
        lambda: windows(1.0, (1.0, -1.0)),
        lambda: Switching((1.0,), (1.0,)),
        lambda: Switching((1.0, 2.0), (1.0,)),
        lambda: Switching((0.0, 0.0), (1.0, 1.0)),
        lambda: diurnal(2.5),
        lambda: pulses(10.0, 20.0, 2.0),
        lambda: gamma(1.0, 0.0),
    )
    for make in makers:
        with pytest.raises(ConfigurationError):
            make()
