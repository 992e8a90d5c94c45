"""From the queue to a row: in order, one after the other, and with a reason for whoever must wait."""

from functools import partial
from typing import Any

import pytest

from tests.engine.small_engine import BLOCK_TOKENS, SmallEngine, ask
from weft.contracts.events import Status, Transition, WaitReason
from weft.contracts.prompts import HashPrompt
from weft.policies.priority import Priority

PRIORITY: Any = Priority


def started(engine: SmallEngine) -> list[str]:
    """Who ran, in order of the first step that computed something of each."""
    admissions = [admission for step in engine.steps for admission in step.added]
    return list(dict.fromkeys(admission.request.request_id for admission in admissions))


def test_no_more_run_than_there_are_rows() -> None:
    engine = SmallEngine(max_running=2)
    requests = [ask(name, 5, 3) for name in "abcd"]
    engine.submit(*requests)
    most = 0
    while engine.step() is not None:
        most = max(most, len(engine.running()))
    assert most == 2
    engine.expect(*requests)
    assert engine.reasons("c") == ["no free row"]


def test_a_row_that_came_free_is_given_to_the_next_in_the_same_step() -> None:
    engine = SmallEngine(max_running=1)
    engine.submit(ask("a", 5, 1), ask("b", 5, 1))
    engine.step()
    step = engine.step()
    assert step is not None
    assert step.removed == (0,)
    assert [admission.request.request_id for admission in step.added] == ["b"]


def test_nobody_overtakes_the_first_who_must_wait() -> None:
    engine = SmallEngine(num_blocks=6)
    running, large, small = ask("running", 12, 8), ask("large", 16, 4), ask("small", 3, 1)
    engine.submit(running, large, small)
    engine.step()
    assert engine.running() == ["running"]
    assert engine.reasons("large") == ["no free blocks"]
    assert engine.reasons("small") == []
    engine.run()
    engine.expect(running, large, small)
    assert started(engine) == ["running", "large", "small"]


def test_a_reason_for_waiting_is_recorded_when_it_changes_and_not_before() -> None:
    engine = SmallEngine(num_blocks=6, max_running=2)
    long, short, next_ = ask("long", 9, 12), ask("short", 3, 4), ask("next", 16, 4)
    engine.submit(long, short, next_)
    engine.run()
    engine.expect(long, short, next_)
    assert engine.reasons("next") == ["no free row", "no free blocks"]


@pytest.mark.parametrize(("running_tokens", "admitted"), [(1, True), (5, True), (9, False)])
def test_a_hundredth_of_the_blocks_stays_free_while_others_run(running_tokens: int, admitted: bool) -> None:
    """So that they can grow a little: of 200 blocks the newcomer takes 196, and two must be left."""
    engine = SmallEngine(num_blocks=200, max_step_tokens=1000)
    engine.submit(ask("running", running_tokens, 4))
    engine.step()
    engine.submit(ask("newcomer", 196 * BLOCK_TOKENS, 4))
    engine.step()
    assert ("newcomer" in engine.running()) == admitted


def test_one_that_is_alone_may_take_all_blocks() -> None:
    engine, request = SmallEngine(num_blocks=200, max_step_tokens=1000), ask("a", 199 * BLOCK_TOKENS, 4)
    engine.submit(request)
    engine.run()
    engine.expect(request)


def test_a_prompt_waits_for_tokens_of_a_later_step() -> None:
    engine = SmallEngine(max_step_tokens=8)
    first, second = ask("first", 8, 2), ask("second", 8, 2)
    engine.submit(first, second)
    engine.step()
    assert (engine.running(), engine.reasons("second")) == (["first"], ["token budget"])
    engine.run()
    engine.expect(first, second)


def test_a_reason_that_comes_back_after_running_is_recorded_again() -> None:
    engine = SmallEngine(num_blocks=7)
    requests = [ask("short", 8, 2), ask("first", 10, 16), ask("second", 10, 14)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    story = [
        event.reason
        for event in engine.events(WaitReason, Transition)
        if event.request_id == "second" and event.reason != "arrived"
    ]
    assert story[:5] == ["no free blocks", "admitted", "recompute", "no free blocks", "admitted"]


def test_the_urgent_run_before_those_who_came_first() -> None:
    engine = SmallEngine(order="priority", max_running=1)
    calm, urgent = ask("calm", 5, 2, priority=2), ask("urgent", 5, 2, priority=1)
    engine.submit(ask("first", 5, 2), calm, urgent)
    engine.run()
    assert started(engine) == ["first", "urgent", "calm"]


def test_whoever_is_passed_over_is_told_why() -> None:
    engine = SmallEngine(order="priority", max_running=2)
    calm, urgent = ask("calm", 5, 2, priority=9), ask("urgent", 5, 2)
    engine.submit(calm, urgent)
    engine.step()
    assert engine.running() == ["urgent", "calm"]
    assert engine.reasons("calm") == ["the order policy prefers later arrivals"]
    assert engine.reasons("urgent") == []


def test_who_has_waited_long_enough_runs_before_the_urgent() -> None:
    engine = SmallEngine(order=partial(PRIORITY, ageing_s=5.0), max_running=1)
    engine.submit(ask("running", 5, 8), ask("patient", 5, 2, priority=1))
    for _ in range(6):
        engine.step()
    engine.submit(ask("urgent", 5, 2))
    engine.run()
    assert started(engine) == ["running", "patient", "urgent"]


def test_a_request_whose_prompt_cannot_be_cut_into_blocks_fails_alone() -> None:
    engine, other = SmallEngine(), ask("other", 5, 3)
    engine.submit(ask("odd", HashPrompt(9, (1, 2), hash_tokens=6)), other)
    engine.run()
    engine.expect(other)
    end = engine.ends["odd"]
    assert end.status is Status.FAILED
    assert "a prompt hash covers 6 tokens, which blocks of 4 tokens do not divide" in end.reason
