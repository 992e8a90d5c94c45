"""Intervals: published values, and how often they hold what they are to hold."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.evaluation.intervals import Figure, ratio, share


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(count: int, n: int, low: float, high: float) -> None:
    figure = share(count, n)
    assert figure is not None
    assert figure.low == pytest.approx(low, abs=5e-5)
    assert figure.high == pytest.approx(high, abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_a_share_lies_within_its_interval(n: int, data: st.DataObject) -> None:
    figure = share(data.draw(st.integers(0, n)), n)
    assert figure is not None
    assert figure.low is not None
    assert figure.high is not None
    assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0
    assert figure.low < figure.high


def test_of_nothing_there_is_no_figure() -> None:
    assert share(0, 0) is None
    assert ratio([], []) is None
    assert ratio([3.0, 1.0], [4, 4]) == Figure(0.5, None, None, 8)


def test_the_interval_of_a_ratio_holds_the_truth_about_as_often_as_it_says() -> None:
    """Clusters whose members are all equal: their number counts, not that of their members."""
    stream, held = Random(0), 0
    for _ in range(400):
        sizes = [stream.randint(1, 9) for _ in range(50)]
        figure = ratio([float(size * (stream.random() < 0.5)) for size in sizes], sizes, most=1.0)
        assert figure is not None
        assert figure.low is not None
        assert figure.high is not None
        assert figure.n == sum(sizes)
        held += figure.low <= 0.5 <= figure.high
    assert 0.91 <= held / 400 <= 0.98


def test_equal_clusters_leave_no_doubt() -> None:
    assert ratio([2.0] * 10, [4] * 10) == Figure(0.5, 0.5, 0.5, 40)
