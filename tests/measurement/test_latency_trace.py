"""One request of which everything is known: each stage gets its time."""

from collections.abc import Mapping

import pytest

from weft.measurement.latency_stages import Part, Span, Stage
from weft.measurement.latency_trace import Mark, Trace, break_down

# Two threads of a request with two output tokens; the second step begins while the first token is on its way.
LOOP = [
    Span(Stage.READ, 2.0, 3.0),
    Span(Stage.VALIDATE, 4.0, 5.0),
    Span(Mark.PROMPT, 5.0, 10.0),
    Span(Stage.TEMPLATE, 6.0, 7.0),
    Span(Stage.TOKENISE, 7.0, 9.0),
    Span(Mark.SUBMIT, 10.5, 11.0),
    Span(Stage.SCHEDULE, 12.0, 14.0),
    Span(Mark.LAUNCH, 13.0, 13.5),
    Span(Mark.LAUNCH, 13.5, 14.0),
    Span(Mark.RETURN, 26.0, 27.0),
    Span(Stage.SCHEDULE, 26.0, 27.0),
    Span(Stage.TEXT, 28.0, 28.5),
    Span(Stage.JSON, 28.5, 29.0),
    Span(Stage.WRITE, 29.0, 30.0),
    Span(Mark.RETURN, 35.0, 36.0),
    Span(Stage.SCHEDULE, 35.0, 36.0),
    Span(Stage.WRITE, 37.0, 38.0),
]
MODEL = [
    Span(Stage.BATCH, 15.0, 25.0),
    Span(Mark.MODEL, 16.0, 23.0),
    Span(Stage.SAMPLE, 23.0, 24.0),
    Span(Stage.BATCH, 25.5, 34.0),
    Span(Mark.MODEL, 26.0, 33.0),
    Span(Stage.SAMPLE, 33.0, 33.5),
]
SEEN = sorted([*LOOP, *MODEL], key=lambda span: span.end_s)


def told(part: Part) -> Mapping[Stage, float]:
    assert sum(part.stages_s.values()) == part.whole_s
    return {stage: seconds for stage, seconds in part.stages_s.items() if seconds}


def test_a_stream_in_two_parts() -> None:
    first, after = break_down(Trace(0.0, 32.0, 40.0, SEEN))
    assert told(first) == {
        Stage.CONNECT: 2.0,
        Stage.READ: 2.0,
        Stage.VALIDATE: 1.0,
        Stage.TEMPLATE: 1.0,
        Stage.TOKENISE: 2.0,
        Stage.ADMIT: 1.0,
        Stage.QUEUE: 1.0,
        Stage.SCHEDULE: 3.0,
        Stage.HAND_OVER: 1.0 + 1.0 + 1.0 + 1.0,
        Stage.BATCH: 2.0,
        Stage.PREFILL: 7.0,
        Stage.SAMPLE: 1.0,
        Stage.TEXT: 0.5,
        Stage.JSON: 0.5,
        Stage.WRITE: 1.0,
        Stage.DELIVER: 2.0,
        Stage.REST: 1.0,
    }
    assert after is not None
    assert told(after) == {
        Stage.DECODE: 1.0,
        Stage.SAMPLE: 0.5,
        Stage.BATCH: 0.5,
        Stage.HAND_OVER: 1.0,
        Stage.SCHEDULE: 1.0,
        Stage.WRITE: 1.0,
        Stage.DELIVER: 2.0,
        Stage.REST: 1.0,
    }


def test_an_answer_in_one_piece_waits_for_every_step() -> None:
    first, after = break_down(Trace(0.0, None, 40.0, SEEN))
    assert after is None
    stages = told(first)
    assert (stages[Stage.PREFILL], stages[Stage.DECODE]) == (7.0, 7.0)
    assert first.beside_s[Stage.WRITE] == 1.0


def test_a_prompt_in_several_steps_is_prefill_until_a_token_is_sampled() -> None:
    chunk = [Span(Stage.BATCH, 14.2, 14.8), Span(Mark.MODEL, 14.3, 14.7)]
    marks = [Span(Mark.LAUNCH, 13.0, 13.1), Span(Mark.RETURN, 25.9, 26.0)]
    first, after = break_down(Trace(0.0, 32.0, 40.0, [*SEEN, *chunk, *marks]))
    assert told(first)[Stage.PREFILL] == pytest.approx(7.4)
    assert after is not None
    assert told(after)[Stage.DECODE] == 1.0


def test_without_its_server_nothing_is_known() -> None:
    with pytest.raises(ValueError, match="no step"):
        break_down(Trace(0.0, None, 40.0, []))


def test_what_was_not_seen_is_part_of_the_rest() -> None:
    part = break_down(Trace(0.0, None, 40.0, MODEL)).first
    assert told(part)[Stage.REST] == 40.0 - 10.0 - 8.5
