"""New weights while requests run: state of one version is never used as that of another."""

import pytest

from tests.engine.small_engine import SmallEngine, ask, words
from weft.contracts.errors import InvalidRequest
from weft.contracts.events import PrefixLookup, Status, WeightsUpdated
from weft.contracts.prompts import MediaItem
from weft.contracts.requests import Request
from weft.simulator.fake_reference import PlainSequence, reference_output

PREFIX = words("prefix", 8)


def hits(engine: SmallEngine) -> list[int]:
    return [event.hit_tokens for event in engine.events(PrefixLookup)]


def said(engine: SmallEngine, request: Request, version: int) -> None:
    """The request's whole output is that of one version."""
    assert engine.text(request) == reference_output(engine.spec, request, weights_version=version)


def serve(engine: SmallEngine, *requests: Request) -> None:
    for request in requests:
        engine.submit(request)
        engine.run()


def test_what_old_weights_computed_is_not_found_under_new_ones() -> None:
    engine = SmallEngine()
    requests = [ask(name, (*PREFIX, last)) for last, name in enumerate("abcd")]
    serve(engine, requests[0], requests[1])
    engine.update_weights(1)
    serve(engine, requests[2], requests[3])
    assert hits(engine) == [0, 8, 0, 8]
    for request, version in zip(requests, (0, 0, 1, 1), strict=True):
        said(engine, request, version)


def test_steps_carry_the_version_and_the_change_is_recorded() -> None:
    engine = SmallEngine()
    serve(engine, ask("a", 4, 2))
    engine.update_weights(7)
    serve(engine, ask("b", 4, 2))
    assert [step.weights_version for step in engine.steps] == [0, 0, 7, 7]
    assert engine.events(WeightsUpdated) == [WeightsUpdated(2.0, 7)]


def test_one_that_waited_starts_under_the_new_version_though_it_was_looked_up_under_the_old() -> None:
    engine = SmallEngine(num_blocks=6)
    serve(engine, ask("cached", (*PREFIX, 1), 1))
    engine.submit(ask("running", 14, 4), ask("waiting", (*PREFIX, 2), 8))
    engine.step()
    assert engine.reasons("waiting") == ["no free blocks"]
    engine.update_weights(1)
    engine.run()
    said(engine, ask("waiting", (*PREFIX, 2), 8), version=1)
    assert hits(engine)[-1] == 0


def test_one_that_runs_keeps_its_state_and_goes_on_under_the_new_version() -> None:
    engine, request = SmallEngine(), ask("a", 6, 8)
    engine.submit(request)
    for _ in range(3):
        engine.step()
    engine.update_weights(1)
    engine.run()
    plain = PlainSequence(engine.spec, request)
    plain.feed_prompt()
    for number, token in enumerate(engine.text(request)):
        assert token == plain.next_token()
        plain.weights_version = int(number >= 2)
        plain.feed(token)


@pytest.mark.parametrize("layout", ["paged", "windowed", "recurrent", "everything"])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_state_that_spans_two_versions_is_published_under_neither(layout: str, steps: int) -> None:
    engine, first = SmallEngine(layout, max_step_tokens=8), ask("a", (*PREFIX, 1, 2, 3), 9)
    engine.submit(first)
    for _ in range(steps):
        engine.step()
    engine.update_weights(1)
    engine.run()
    again = ask("b", (*PREFIX, 1, 2, 3, *engine.text(first)))
    serve(engine, again)
    said(engine, again, version=1)
    assert hits(engine)[-1] == 0


def test_a_snapshot_under_way_is_not_published_under_the_new_version() -> None:
    """It is planned under the old weights and returns under the new ones."""
    engine, first = SmallEngine("recurrent", depth=2), ask("a", (*PREFIX, 1), 2)
    engine.submit(first)
    engine.plan()
    engine.finish()
    engine.plan()
    engine.engine.update_weights(1, engine.now_s)
    engine.finish()
    engine.device.update_weights(1)
    engine.run()
    again = ask("b", (*PREFIX, 2))
    serve(engine, again)
    said(engine, again, version=1)


def test_one_that_lost_its_state_computes_it_anew_under_the_new_version_and_shares_it() -> None:
    engine = SmallEngine(num_blocks=9)
    first, last = ask("first", 10, 16), ask("last", (*PREFIX, 1, 2), 14)
    engine.submit(first, last)
    while engine.status("last") is not Status.PREEMPTED:
        engine.step()
    (sequence,) = engine.sequences("last")
    known = len(sequence.output)
    engine.update_weights(1)
    engine.run()
    plain = PlainSequence(engine.spec, last, weights_version=1)
    plain.feed_prompt()
    for number, token in enumerate(engine.text(last)):
        assert number < known or token == plain.next_token()
        plain.feed(token)
    again = ask("again", (*PREFIX, 5))
    serve(engine, again)
    said(engine, again, version=1)
    assert hits(engine)[-2:] == [0, 8]


def test_state_in_host_memory_spans_two_versions_when_it_comes_back() -> None:
    engine = SmallEngine(num_blocks=9, num_host_blocks=8, preempt="latest_first_swap", holds_transfers=True)
    first, last = ask("first", 10, 16), ask("last", (*PREFIX, 1, 2), 14)
    engine.submit(first, last)
    while engine.status("last") is not Status.BLOCKED:
        engine.step()
    engine.land()
    engine.update_weights(1)
    engine.run()
    assert (Status.RUNNING, "swapped in") in engine.moves("last")
    again = ask("again", (*PREFIX, 5))
    serve(engine, again)
    said(engine, again, version=1)
    assert hits(engine)[-1] == 0


def test_media_are_encoded_anew_under_new_weights() -> None:
    engine, requests = (
        SmallEngine("encoder"),
        [ask(name, 9, media=(MediaItem(b"cat", 1, 5),)) for name in "ab"],
    )
    serve(engine, requests[0])
    engine.update_weights(1)
    serve(engine, requests[1])
    assert sum(len(step.encodes) for step in engine.steps) == 2
    said(engine, requests[1], version=1)


def test_the_samples_of_a_request_agree_on_what_they_share_after_an_update() -> None:
    engine, request = SmallEngine(), ask("a", 9, 4, n=2, temperature=1.0)
    engine.submit(request)
    engine.step()
    engine.update_weights(1)
    engine.run()
    serve(engine, ask("b", (*words("a", 9), 1)))
    assert hits(engine)[-1] == 0
    said(engine, ask("b", (*words("a", 9), 1)), version=1)


@pytest.mark.parametrize("version", [-1, 0, 3])
def test_versions_grow(version: int) -> None:
    engine = SmallEngine()
    engine.update_weights(3)
    with pytest.raises(InvalidRequest, match=f"weights version {version} does not follow 3; versions grow"):
        engine.engine.update_weights(version, 0.0)
    request = ask("a")
    serve(engine, request)
    said(engine, request, version=3)
