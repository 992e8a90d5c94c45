"""A client finds a stop string in the text of an output, later than the engine has gone on."""

import re
from typing import Any

import pytest

from tests.engine.small_engine import BLOCK_TOKENS, SmallEngine, ask
from weft.contracts.errors import InvalidRequest
from weft.contracts.events import PrefixLookup, Status, TransferEnded
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request
from weft.engine.lifecycle import STOPPED_BY_CLIENT
from weft.simulator.fake_reference import reference_output

SWAPPING: dict[str, Any] = {"num_blocks": 9, "num_host_blocks": 9, "preempt": "latest_first_swap"}


def alone(engine: SmallEngine, request: Request, sample: int = 0) -> tuple[int, ...]:
    return reference_output(engine.spec, request, sample)


def advance(engine: SmallEngine, num_steps: int, ahead: int = 1) -> None:
    """So many steps return while `ahead` of them are in flight."""
    for _ in range(num_steps):
        while engine.engine.num_in_flight < ahead and engine.plan() is not None:
            pass
        engine.finish()


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_came_after_the_last_token_is_neither_told_nor_counted(depth: int, streams: bool) -> None:
    hits = STOPPED_BY_CLIENT.hits
    engine, request = SmallEngine(depth=depth), ask("a", 5, 40)
    engine.submit(request, stream=streams)
    advance(engine, 7, ahead=depth)
    while engine.plan() is not None:
        pass
    assert engine.stop("a", 3)
    engine.run()
    end = engine.ends["a"]
    assert (end.status, end.reason, end.output_tokens) == (Status.FINISHED, "stop", 3)
    assert engine.text(request) == alone(engine, request)[: 7 if streams else 3]
    assert STOPPED_BY_CLIENT.hits == hits + 1


def test_it_may_be_the_latest_token_or_one_that_nobody_has_been_told_yet() -> None:
    engine, requests = SmallEngine(), [ask("latest", 5, 40), ask("untold", 5, 40)]
    engine.submit(requests[0], stream=True)
    engine.submit(requests[1])
    advance(engine, 6)
    assert engine.stop("latest", 6)
    assert engine.stop("untold", 6)
    assert [engine.text(request) for request in requests] == [alone(engine, each)[:6] for each in requests]
    engine.run()


def test_the_other_samples_go_on() -> None:
    engine, request = SmallEngine(depth=2), ask("a", 5, 9, n=3, temperature=1.0)
    engine.submit(request)
    advance(engine, 6, ahead=2)
    assert engine.stop("a", 2, sample=1)
    assert not engine.stop("a", 2, sample=1)
    engine.run()
    texts = [alone(engine, request, sample) for sample in range(3)]
    assert [engine.text(request, sample) for sample in range(3)] == [texts[0], texts[1][:2], texts[2]]
    assert (engine.ends["a"].status, engine.ends["a"].output_tokens) == (Status.FINISHED, 9 + 2 + 9)


def test_there_is_nothing_to_end_where_nothing_runs() -> None:
    engine = SmallEngine()
    assert not engine.stop("nobody", 1)
    engine.submit(ask("a", 5, 2))
    assert not engine.stop("a", 1, sample=1)
    assert not engine.stop("a", 1, sample=-1)
    engine.run()
    assert not engine.stop("a", 1)


@pytest.mark.parametrize("num_tokens", [0, 4])
def test_an_output_cannot_end_where_it_has_not_been(num_tokens: int) -> None:
    engine, request = SmallEngine(), ask("a", 5, 9)
    engine.submit(request)
    advance(engine, 3)
    message = f"output 0 of request 'a' cannot end with token {num_tokens}; it has 3"
    with pytest.raises(InvalidRequest, match=f"^{re.escape(message)}$"):
        engine.stop("a", num_tokens)
    engine.run()
    engine.expect(request)


def test_a_beam_search_ends_by_itself() -> None:
    engine, request = SmallEngine(), ask("a", 5, 4, beam_width=2)
    engine.submit(request)
    advance(engine, 2)
    with pytest.raises(
        InvalidRequest, match="request 'a' is a beam search; its output cannot be ended early"
    ):
        engine.stop("a", 1)
    engine.run()
    assert engine.ends["a"].status is Status.FINISHED


@pytest.mark.parametrize("goes_on_at", [2, 11])
def test_the_state_of_the_whole_output_can_be_found(goes_on_at: int) -> None:
    """Also that of tokens that were dropped: they are what the model says."""
    engine, first = SmallEngine(depth=2), ask("first", 6, 40)
    text = alone(engine, first)
    engine.submit(first)
    advance(engine, 12, ahead=2)
    assert engine.stop("first", 3)
    assert isinstance(first.prompt, TokenPrompt)
    turn = ask("turn", (*first.prompt.tokens, *text[:goes_on_at], 1, 2, 3), 5)
    engine.submit(turn)
    engine.run()
    engine.expect(turn)
    found = [event.hit_tokens for event in engine.events(PrefixLookup)]
    assert found == [0, (6 + goes_on_at) // BLOCK_TOKENS * BLOCK_TOKENS]


def test_state_that_a_step_under_way_computes_anew_is_not_found_before_it_returns() -> None:
    """The sequence was preempted and stands again by a step that has not returned."""
    engine, request = SmallEngine(depth=2, num_blocks=9), ask("a", 10, 16)
    engine.submit(ask("long", 10, 16), request)
    while (Status.PREEMPTED, "recompute") not in engine.moves("a"):
        engine.plan()
        engine.finish()
    while engine.status("a") is not Status.RUNNING:
        if engine.plan() is None:
            engine.finish()
    assert engine.engine.num_in_flight
    engine.plan()
    (sequence,) = engine.sequences("a")
    published = sequence.num_published
    assert engine.stop("a", 2)
    assert sequence.num_published == published
    engine.run()


def test_a_preempted_output_ends_without_running_again() -> None:
    engine, request = SmallEngine(num_blocks=9), ask("last", 10, 14)
    engine.submit(ask("first", 10, 16), request)
    while (Status.PREEMPTED, "recompute") not in engine.moves("last"):
        engine.step()
    assert engine.stop("last", 2)
    engine.run()
    assert engine.text(request) == alone(engine, request)[:2]
    assert engine.moves("last")[-1] == (Status.FINISHED, "stop")


@pytest.mark.parametrize("kind", ["swap out", "swap in"])
def test_an_output_may_end_while_its_state_moves(kind: str) -> None:
    engine, request = SmallEngine(**SWAPPING, holds_transfers=True), ask("last", 10, 14)
    engine.submit(ask("first", 10, 16), request)
    while (Status.BLOCKED, kind) not in engine.moves("last"):
        engine.land()
        engine.step()
    assert engine.status("last") is Status.BLOCKED
    assert engine.stop("last", 3)
    engine.check()
    engine.run()
    assert engine.text(request) == alone(engine, request)[:3]
    assert all(event.error is None for event in engine.events(TransferEnded))
