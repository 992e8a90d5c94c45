"""What readers of a stream experience."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.policies.experience import Expectation, Reading, gain

EXPECTED = Expectation(ttft_s=1.0, tokens_per_s=5.0)


def test_nobody_is_disappointed_before_anything_is_expected() -> None:
    assert Reading().advanced(1.0, 0, 5.0).quality(EXPECTED) == 1.0


def test_nothing_at_all_is_no_quality() -> None:
    assert Reading().advanced(9.0, 0, 5.0).quality(EXPECTED) == 0.0


def test_tokens_at_the_pace_expected_are_perfect_and_faster_ones_no_better() -> None:
    begun = Reading().advanced(1.0, 0, 5.0)
    even, fast = begun.advanced(11.0, 50, 5.0), begun.advanced(11.0, 500, 5.0)
    assert even.quality(EXPECTED) == fast.quality(EXPECTED) == pytest.approx(1.0)


def test_a_reader_lives_on_what_came_early() -> None:
    """Fifty tokens within a second last for ten at five a second."""
    early = Reading().advanced(1.0, 0, 5.0).advanced(2.0, 50, 5.0).advanced(11.0, 50, 5.0)
    assert early.read == pytest.approx(50.0)
    assert early.quality(EXPECTED) == pytest.approx(1.0)
    assert early.advanced(21.0, 50, 5.0).quality(EXPECTED) < 0.9


def test_a_slow_stream_is_read_as_it_comes() -> None:
    slow = Reading().advanced(1.0, 0, 5.0).advanced(11.0, 25, 5.0)
    assert slow.read == pytest.approx(25.0)
    assert slow.quality(EXPECTED) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 40)), min_size=1, max_size=8))
def test_reading_never_outruns_what_came_nor_its_own_speed(parts: list[tuple[float, int]]) -> None:
    reading, time_s, arrived = Reading(), 0.0, 0
    for duration_s, tokens in parts:
        before, time_s, arrived = reading, time_s + duration_s, arrived + tokens
        reading = reading.advanced(time_s, arrived, 5.0)
        assert before.read <= reading.read <= min(arrived, before.read + 5.0 * duration_s) + 1e-6
        assert reading.area >= before.area
        assert 0.0 <= reading.quality(EXPECTED) <= 1.0


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 40)), min_size=1, max_size=8))
def test_the_area_is_that_below_the_curve(parts: list[tuple[float, int]]) -> None:
    """Against a sum over small steps."""
    reading, time_s, arrived = Reading(), 0.0, 0.0
    read = area = 0.0
    for duration_s, tokens in parts:
        num_steps = 2000
        span_s, rate = duration_s / num_steps, tokens / duration_s
        for step in range(1, num_steps + 1):
            before, read = read, min(arrived + rate * span_s * step, read + 5.0 * span_s)
            area += (before + read) / 2 * span_s
        time_s, arrived = time_s + duration_s, arrived + tokens
        reading = reading.advanced(time_s, arrived, 5.0)
    assert reading.area == pytest.approx(area, rel=0.02, abs=0.05)


@given(
    st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 80)), max_size=4),
    st.floats(0.1, 20.0),
    st.floats(0.0, 400.0),
)
def test_the_gain_is_what_two_readers_then_have_more_or_less(
    parts: list[tuple[float, int]], horizon_s: float, more_tokens: float
) -> None:
    reading, arrived = Reading(), 0
    for duration_s, tokens in parts:
        arrived += tokens
        reading = reading.advanced(reading.time_s + duration_s, arrived, 5.0)
    end_s = reading.time_s + horizon_s
    served = reading.advanced(end_s, reading.arrived + more_tokens, 5.0).quality(EXPECTED)
    waiting = reading.advanced(end_s, reading.arrived, 5.0).quality(EXPECTED)
    assert gain(reading, EXPECTED, horizon_s, more_tokens) == served - waiting


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.integers(0, 40)), min_size=1, max_size=8))
def test_telling_a_reader_no_more_than_they_can_read_costs_them_nothing(
    parts: list[tuple[float, int]],
) -> None:
    """Which is why a server may hold back what it makes faster."""
    free, paced, time_s, arrived = Reading(), Reading(), 0.0, 0
    for duration_s, tokens in parts:
        begun, time_s, arrived = free, time_s + duration_s, arrived + tokens
        free = free.advanced(time_s, arrived, 5.0)
        # What is read follows at most two lines: as fast as one reads, then as fast as tokens come.
        rate = tokens / duration_s
        full_s = duration_s if rate >= 5.0 else min(duration_s, (begun.arrived - begun.read) / (5.0 - rate))
        middle = begun.advanced(begun.time_s + full_s, begun.arrived + rate * full_s, 5.0)
        paced = paced.advanced(middle.time_s, middle.read, 5.0).advanced(time_s, free.read, 5.0)
    assert paced.quality(EXPECTED) == pytest.approx(free.quality(EXPECTED), abs=1e-6)
