"""Repeated requests as figures that add up."""

import pytest

from weft.measurement.latency_breakdown import figures, joined, middle, part_figures
from weft.measurement.latency_stages import Span, Stage, divide
from weft.measurement.latency_trace import Mark, Trace


def trace(seconds: float, first_s: float | None = None) -> Trace:
    """The model works half of the time."""
    step = [Span(Stage.BATCH, 0.0, seconds / 2), Span(Mark.MODEL, 0.0, seconds / 2)]
    sample = Span(Stage.SAMPLE, seconds / 2, seconds / 2)
    return Trace(0.0, first_s, seconds, [*step, sample])


def test_the_middle_half_counts() -> None:
    whole = figures([trace(seconds) for seconds in (2.0, 90.0, 4.0, 6.0, 1.0)])["all"]
    assert whole.whole_ms == pytest.approx(4000.0)
    prefill = whole.stages[Stage.PREFILL]
    assert (prefill.ms, prefill.share, prefill.median_ms) == pytest.approx((2000.0, 0.5, 2000.0))
    assert sum(each.ms for each in whole.stages.values()) == pytest.approx(whole.whole_ms)


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (2, 2), (3, 1), (4, 2), (5, 3), (20, 10)])
def test_how_many_are_in_the_middle(count: int, kept: int) -> None:
    parts = [divide([], 0.0, float(index)) for index in range(count)]
    found = middle(parts)
    assert len(found) == kept
    assert parts.index(found[0]) == count - 1 - parts.index(found[-1])


def test_parts_of_a_stream_add_up() -> None:
    parts = figures([trace(4.0, first_s=3.0)])
    assert parts["first"].whole_ms + parts["after"].whole_ms == parts["all"].whole_ms
    assert [parts[name].stages[Stage.PREFILL].ms for name in ("first", "after")] == [2000.0, 0.0]


def test_a_stream_of_one_piece_has_nothing_after_it() -> None:
    parts = figures([trace(4.0, first_s=4.0)])
    assert parts["after"].whole_ms == 0.0
    assert {each.share for each in parts["after"].stages.values()} == {0.0}


def test_stretches_join() -> None:
    spans = [Span(Stage.DECODE, 0.0, 4.0), Span(Stage.JSON, 3.0, 6.0)]
    halves = divide(spans, 0.0, 3.5), divide(spans, 3.5, 7.0)
    assert joined(*halves) == divide(spans, 0.0, 7.0)
    assert joined(halves[0], None) == halves[0]


def test_waiting_is_never_beside() -> None:
    stages = part_figures([divide([Span(Stage.QUEUE, 0.0, 1.0)], 0.0, 1.0)]).stages
    assert stages[Stage.QUEUE].beside_ms is None
    assert stages[Stage.JSON].beside_ms == 0.0
