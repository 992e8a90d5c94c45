"""A stretch of time divides into stages that add up to it, whatever was seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.latency_stages import AROUND, PRECEDENCE, WORK, Span, Stage, divide

TIMES = st.integers(-5, 25)


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    found = []
    for _ in range(draw(st.integers(0, 12))):
        begin, length = draw(TIMES), draw(st.integers(0, 12))
        found.append(Span(draw(st.sampled_from(PRECEDENCE)), begin, begin + length))
    return found


def test_every_stage_but_the_rest_has_its_place() -> None:
    assert sorted([*PRECEDENCE, Stage.REST]) == sorted(Stage)


@given(spans(), TIMES, st.integers(0, 20))
def test_stages_add_up_to_the_whole(seen: list[Span], begin: int, length: int) -> None:
    part = divide(seen, begin, begin + length)
    assert part.whole_s == sum(part.stages_s.values()) == length
    assert min(part.stages_s.values()) >= 0
    assert min(part.beside_s.values()) >= 0


@given(spans())
def test_each_moment_counts_for_the_first_that_is_under_way(seen: list[Span]) -> None:
    expected = dict.fromkeys(Stage, 0)
    for moment in range(20):
        under_way = [Stage(span.name) for span in seen if span.begin_s <= moment < span.end_s]
        expected[min(under_way, key=PRECEDENCE.index, default=Stage.REST)] += 1
    assert divide(seen, 0, 20).stages_s == expected


@given(spans())
def test_what_is_beside_is_what_did_not_count(seen: list[Span]) -> None:
    part = divide(seen, 0, 20)
    for stage in WORK:
        busy = sum(
            any(span.name == stage and span.begin_s <= moment < span.end_s for span in seen)
            for moment in range(20)
        )
        if stage not in AROUND:
            assert part.stages_s[stage] + part.beside_s[stage] == busy


def test_work_of_the_event_loop_hides_behind_the_model() -> None:
    part = divide([Span(Stage.DECODE, 0.0, 4.0), Span(Stage.JSON, 3.0, 6.0)], 0.0, 7.0)
    assert {stage: seconds for stage, seconds in part.stages_s.items() if seconds} == {
        Stage.DECODE: 4.0,
        Stage.JSON: 2.0,
        Stage.REST: 1.0,
    }
    assert part.beside_s[Stage.JSON] == 1.0


def test_a_stage_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="lunch"):
        divide([Span("lunch", 0.0, 1.0)], 0.0, 1.0)
