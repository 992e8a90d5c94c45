"""The life of a request as its client sees it: what is told, when, and how it ends."""

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import InvariantViolation
from weft.contracts.events import FirstToken, PrefixLookup, RequestEnded, Status, StepRecord
from weft.contracts.prompts import HashPrompt, LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.steps import StepResult
from weft.engine.replica import Output
from weft.observation.faults import FailNth, armed
from weft.simulator.fake_reference import reference_output


def test_an_idle_engine_has_nothing_to_do() -> None:
    engine = SmallEngine()
    assert engine.plan() is None
    engine.check()


def news(request: Request, *, stream: bool) -> list[list[Output]]:
    """What an engine tells after each step of a request that is alone."""
    engine = SmallEngine()
    engine.engine.submit(request, 0.0, stream=stream)
    told = []
    while (step := engine.engine.schedule(0.0)) is not None:
        engine.engine.update(engine.device.execute(step), 0.0)
        told.append(engine.engine.take_outputs())
    return told


def test_a_stream_tells_each_token_as_it_comes() -> None:
    request = ask("a", 5, 3)
    first, second, third = reference_output(SmallEngine().spec, request)
    assert news(request, stream=True) == [
        [Output("a", 0, (first,))],
        [Output("a", 0, (second,))],
        [Output("a", 0, (third,), Status.FINISHED, "length")],
    ]


def test_without_a_stream_the_output_is_told_at_once_with_its_end() -> None:
    request = ask("a", 5, 3)
    text = reference_output(SmallEngine().spec, request)
    assert news(request, stream=False) == [[], [], [Output("a", 0, text, Status.FINISHED, "length")]]


def test_every_token_is_told_exactly_once_whatever_happens_on_the_way() -> None:
    engine = SmallEngine(num_blocks=9, depth=2)
    requests = [ask("first", 10, 16), ask("last", 10, 14)]
    engine.submit(*requests, stream=True)
    engine.run()
    engine.expect(*requests)
    assert Status.PREEMPTED in [status for status, _ in engine.moves("last")]


def test_the_first_token_is_recorded_once_when_it_is_known() -> None:
    engine = SmallEngine(max_step_tokens=8)
    engine.submit(ask("a", 12, 3), ask("b", 3, 3))
    engine.run()
    assert engine.events(FirstToken) == [FirstToken(2.0, "a"), FirstToken(2.0, "b")]


def test_a_stop_token_ends_an_output_and_belongs_to_it() -> None:
    engine = SmallEngine()
    text = reference_output(engine.spec, ask("a", 5, 9))
    request = ask("a", 5, 9, stop_token_ids=(text[2],))
    engine.submit(request)
    engine.run()
    assert engine.text(request) == text[: text.index(text[2]) + 1]
    assert (engine.ends["a"].status, engine.ends["a"].reason) == (Status.FINISHED, "stop")
    assert engine.ends["a"].output_tokens == len(engine.text(request))


@pytest.mark.parametrize("prompt", [LengthPrompt(9), HashPrompt(9, (1, 2), 8)])
def test_prompts_without_tokens_are_served_like_any_other(prompt: LengthPrompt | HashPrompt) -> None:
    engine, request = SmallEngine(max_step_tokens=8), ask("a", prompt, 5)
    engine.submit(request)
    engine.run()
    engine.expect(request)


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
def test_a_request_can_be_cancelled_at_any_moment_and_keeps_what_was_said(steps: int) -> None:
    engine, request, other = SmallEngine(max_step_tokens=8), ask("a", 12, 9), ask("b", 5, 5)
    engine.submit(request, other)
    for _ in range(steps):
        engine.step()
    assert engine.cancel("a")
    assert not engine.cancel("a")
    engine.check()
    engine.run()
    engine.expect(other)
    text = reference_output(engine.spec, request)
    assert engine.text(request) == text[: len(engine.text(request))]
    assert engine.ends["a"].status is Status.CANCELLED
    assert engine.ends["a"].output_tokens == len(engine.text(request)) == max(0, steps - 1)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (ask("a", 5, 9), [0]),
        (ask("a", 5, 9, n=3, temperature=1.0), [0, 1, 2]),
        (ask("a", 5, 9, beam_width=3), [0]),
    ],
    ids=["plain", "samples", "beams"],
)
def test_the_end_of_a_cancelled_request_is_told_once_for_each_output(
    request_: Request, told: list[int]
) -> None:
    engine = SmallEngine()
    engine.submit(request_)
    for _ in range(3):
        engine.step()
    engine.engine.cancel("a", engine.now_s)
    outputs = engine.engine.take_outputs()
    assert [output.sample_index for output in outputs] == told
    assert {(output.status, output.reason) for output in outputs} == {
        (Status.CANCELLED, "cancelled by the client")
    }
    engine.run()


def test_nobody_can_be_cancelled_who_is_not_there() -> None:
    engine = SmallEngine()
    assert not engine.cancel("a")
    assert not engine.fail("a", "whatever")
    assert engine.log.events() == []


def test_a_request_fails_with_the_reason_given() -> None:
    engine = SmallEngine()
    engine.submit(ask("a"))
    engine.step()
    assert engine.fail("a", "the grammar has no way on")
    assert (engine.ends["a"].status, engine.ends["a"].reason) == (Status.FAILED, "the grammar has no way on")
    engine.run()


def test_live_requests_are_listed_by_arrival() -> None:
    engine = SmallEngine(max_running=1)
    engine.submit(ask("b", 4, 1), ask("a"), ask("c"))
    assert engine.engine.live_requests() == ["b", "a", "c"]
    engine.step()
    assert engine.engine.live_requests() == ["a", "c"]


@pytest.mark.parametrize("limit", [1, 9])
def test_an_output_that_the_model_ends_by_a_token_of_its_own_has_stopped(limit: int) -> None:
    """Only the executor knows the model's end-of-sequence tokens."""
    engine = SmallEngine()
    engine.submit(ask("a", 5, limit))
    engine.plan()
    engine.engine.update(StepResult(0, [7], (0,)), 1.0)
    assert (engine.ends["a"].status, engine.ends["a"].reason) == (Status.FINISHED, "stop")


def test_a_step_that_did_not_happen_fails_those_it_touched_and_gives_their_blocks_back() -> None:
    engine = SmallEngine(max_running=2, depth=2)
    requests = [ask("a", 5, 9), ask("b", 5, 9), ask("waiting", 5, 3)]
    engine.submit(*requests)
    engine.plan()
    engine.finish()
    engine.plan()
    engine.plan()
    engine.break_off("out of memory")
    engine.break_off("aborted")
    engine.check()
    for name in ("a", "b"):
        assert (engine.ends[name].status, engine.ends[name].reason) == (Status.FAILED, "out of memory")
    assert engine.pool().num_held == 0
    engine.run()
    engine.expect(requests[2])
    failed = [record.number for record in engine.events(StepRecord) if record.failed]
    assert failed == [1, 2]


def test_a_step_aborted_behind_a_failed_one_takes_nobody_along_who_was_not_in_it() -> None:
    """Between the two failures the next request is admitted, into a step that does happen."""
    engine, innocent = SmallEngine(max_running=1, depth=2), ask("innocent", 5, 3)
    engine.submit(ask("a", 5, 9), innocent)
    engine.plan()
    engine.plan()
    engine.break_off("out of memory")
    engine.plan()
    engine.break_off("aborted")
    engine.run()
    assert engine.ends["a"].status is Status.FAILED
    engine.expect(innocent)


def test_a_snapshot_of_a_step_that_did_not_happen_is_not_to_be_found() -> None:
    engine, prompt = SmallEngine("recurrent"), tuple(range(9))
    engine.submit(ask("a", prompt, 4))
    engine.step()
    step = engine.plan()
    assert step is not None
    assert len(step.copies) == 1
    engine.break_off()
    engine.check()
    again = ask("b", prompt, 4)
    engine.submit(again)
    engine.run()
    engine.expect(again)
    assert engine.events(PrefixLookup)[-1].hit_tokens == 0


def test_a_row_that_nobody_holds_cannot_finish() -> None:
    engine = SmallEngine()
    engine.submit(ask("a"))
    step = engine.plan()
    assert step is not None
    with pytest.raises(InvariantViolation, match="row 3 has a result, but nobody held it"):
        engine.engine.update(StepResult(step.number, [0] * 4, (3,)), 1.0)


def test_steps_must_fail_in_order_too() -> None:
    engine = SmallEngine(depth=2)
    engine.submit(ask("a"))
    engine.plan()
    engine.plan()
    with pytest.raises(InvariantViolation, match="step 0 is due, 1 failed"):
        engine.engine.step_failed(1, "broken", 1.0)


@pytest.mark.parametrize("point", ["pool.allocate", "engine.admit", "pool.publish"])
def test_what_fails_for_one_request_fails_that_one_alone(point: str) -> None:
    engine = SmallEngine()
    requests = [ask("a", 8, 4), ask("b", 8, 4)]
    engine.submit(*requests)
    with armed(FailNth(point, 1)):
        engine.run()
    ends = sorted(engine.ends.values(), key=lambda end: end.status.value)
    assert [end.status for end in ends] == [Status.FAILED, Status.FINISHED]
    assert ends[0].reason == f"InjectedFault: injected fault at '{point}', call 1"
    (survivor,) = [request for request in requests if request.request_id == ends[1].request_id]
    engine.expect(survivor)


def test_every_request_ends_exactly_once() -> None:
    engine = SmallEngine(num_blocks=9, depth=2)
    engine.submit(*(ask(f"r{i}", 7, 6 + i) for i in range(4)))
    engine.step()
    engine.cancel("r1")
    engine.fail("r2", "because")
    engine.run()
    ended = [event.request_id for event in engine.events(RequestEnded)]
    assert sorted(ended) == ["r0", "r1", "r2", "r3"]
