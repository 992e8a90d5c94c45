"""Effects of paired measurements."""

from math import inf, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.statistics import Interval, quantile
from weft.papers.card import Effect, Pair
from weft.papers.statistics import paired_effect

VALUES = st.floats(0.1, 100.0)


def test_a_difference_has_students_interval() -> None:
    effect = paired_effect([Pair(0.0, value) for value in (1.0, 2.0, 3.0, 4.0, 5.0)], Effect.DIFFERENCE)
    half = 2.776 * 2.5**0.5 / 5**0.5  # four degrees of freedom, variance 2.5
    assert effect == pytest.approx((3.0, 3.0 - half, 3.0 + half))


def test_a_ratio_is_the_geometric_mean_of_ratios() -> None:
    effect = paired_effect([Pair(1.0, 2.0), Pair(10.0, 80.0)], Effect.RATIO)
    assert effect.mean == pytest.approx(4.0)
    assert log(effect.high / effect.mean) == pytest.approx(log(effect.mean / effect.low))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=8), st.floats(0.1, 10.0))
def test_what_a_seed_does_to_both_sides_cancels(values: list[tuple[float, float]], luck: float) -> None:
    plain = [Pair(*each) for each in values]
    lucky = [Pair(old * luck**index, new * luck**index) for index, (old, new) in enumerate(values)]
    assert paired_effect(lucky, Effect.RATIO) == pytest.approx(paired_effect(plain, Effect.RATIO), rel=1e-6)


def test_one_measurement_without_chance_has_no_width() -> None:
    assert paired_effect([Pair(2.0, 3.0)], Effect.RATIO) == pytest.approx((1.5, 1.5, 1.5))


def test_an_interval_excludes_what_lies_outside() -> None:
    assert Interval(2.0, 1.5, 2.5).excludes(1.0)
    assert not Interval(2.0, 0.5, 3.5).excludes(1.0)


@pytest.mark.parametrize(
    ("probability", "value"), [(0.0, 1.0), (0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_a_quantile_is_the_nearest_rank(probability: float, value: float) -> None:
    assert quantile([4.0, 2.0, 1.0, 3.0], probability) == value


def test_nobody_answered_is_infinitely_slow() -> None:
    assert quantile([], 0.99) == inf
