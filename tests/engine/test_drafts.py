"""Guessed tokens are verified: they save steps, and change nothing that is said."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from tests.engine.small_engine import SmallEngine, ask
from tests.simulator.fake_driver import LAYOUTS
from weft.contracts.events import DraftVerified, Event
from weft.contracts.policies import DraftPolicy, SequenceView
from weft.contracts.steps import Draft
from weft.engine.entries import DRAFT_WITHOUT_ROOM
from weft.simulator.fake_drafter import FakeDrafter
from weft.simulator.fake_model import FakeModelSpec


def drafting(layout: str = "paged", num_blocks: int = 64, num_tokens: int = 3, **more: Any) -> SmallEngine:
    keys = ("accuracy", "tree")
    options = {key: more.pop(key) for key in keys if key in more}
    spec = FakeModelSpec(LAYOUTS[layout], stop_bias=more.get("stop_bias", 0.0))
    drafter = partial(FakeDrafter, spec, 1, num_tokens, **options)
    return SmallEngine(layout, num_blocks, draft=drafter, **more)


@pytest.mark.parametrize("tree", [False, True])
@pytest.mark.parametrize("layout", ["paged", "windowed", "recurrent", "everything"])
@pytest.mark.parametrize("depth", [1, 2])
def test_outputs_are_the_same_with_guesses_right_and_wrong(layout: str, tree: bool, depth: int) -> None:
    engine = drafting(layout, accuracy=0.6, tree=tree, depth=depth)
    requests = [ask(f"r{i}", 4 + i, 11) for i in range(3)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    verified = engine.events(DraftVerified)
    assert 0 < sum(event.num_accepted for event in verified) < sum(event.num_drafted for event in verified)


@pytest.mark.parametrize(("accuracy", "num_steps"), [(1.0, 4), (0.0, 13)])
def test_right_guesses_save_steps_and_wrong_ones_cost_none(accuracy: float, num_steps: int) -> None:
    """Of 13 tokens the first comes with the prompt; then three guesses make four tokens a step."""
    engine, request = drafting(accuracy=accuracy), ask("a", 6, 13)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert len(engine.steps) == num_steps
    assert {event.num_accepted for event in engine.events(DraftVerified)} <= {0, 2, 3}


class Eager(DraftPolicy):
    """Guesses ahead without end."""

    def observe(self, event: Event) -> None:
        """Hears nothing."""

    def decide(self, sequence: SequenceView, tokens: Sequence[int], now_s: float) -> Draft | None:
        return Draft((1,) * 50, tuple(range(-1, 49)))


@pytest.mark.parametrize(("output", "most", "drafted"), [(5, 64, [3, 2, 1]), (8, 6, [5, 5, 4, 3, 2, 1])])
def test_too_long_a_guess_is_cut_to_what_output_and_step_leave(
    output: int, most: int, drafted: list[int]
) -> None:
    """The last token of an output need not be guessed: it comes with the one before it."""
    engine, request = SmallEngine(draft=Eager, max_step_tokens=most, max_running=1), ask("a", 5, output)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert 1 not in engine.text(request)
    assert [event.num_drafted for event in engine.events(DraftVerified)] == drafted


def test_no_guess_goes_beyond_the_limit_of_an_output() -> None:
    engine, request = drafting(num_tokens=8, accuracy=1.0), ask("a", 6, 5)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    (draft,) = [entry.draft for step in engine.steps for entry in step.entries if entry.draft]
    assert len(draft.tokens) == 3


def test_guesses_fit_what_is_left_of_a_step() -> None:
    engine = drafting(num_tokens=8, accuracy=1.0, max_step_tokens=6, max_running=3)
    requests = [ask(f"r{i}", 3, 12) for i in range(3)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert max(step.num_tokens for step in engine.steps) == 6


@pytest.mark.parametrize(("layout", "num_blocks"), [("paged", 5), ("recurrent", 4)])
def test_a_guess_that_finds_no_room_is_left_out(layout: str, num_blocks: int) -> None:
    without_room = DRAFT_WITHOUT_ROOM.hits
    engine = drafting(layout, num_blocks, accuracy=0.0, num_tokens=4)
    requests = [ask("a", 4, 8), ask("b", 4, 8)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert DRAFT_WITHOUT_ROOM.hits > without_room


def test_blocks_of_rejected_guesses_come_back() -> None:
    engine, request = drafting(num_tokens=6, accuracy=0.0), ask("a", 3, 9)
    engine.submit(request)
    held = []
    while engine.plan() is not None:
        engine.finish()
        held.append(engine.pool().num_held)
    engine.expect(request)
    assert held == [1, 1, 2, 2, 2, 2, 3, 3, 0]


def test_a_stop_token_inside_a_guess_ends_the_output_there() -> None:
    engine = drafting(accuracy=1.0, stop_bias=0.25)
    requests = [ask(f"r{i}", 5, 20, stop_token_ids=(1, 2)) for i in range(4)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert min(len(engine.text(request)) for request in requests) < 20


def test_samples_and_searches_go_along_with_guesses() -> None:
    engine = drafting(accuracy=0.7)
    samples, plain = ask("samples", 6, 7, n=2, temperature=1.0), ask("plain", 5, 6)
    engine.submit(samples, ask("beams", 6, 5, beam_width=2), plain)
    engine.run()
    engine.expect(samples, plain)


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("layout", ["paged", "mixed"])
def test_a_request_can_be_cancelled_while_its_guesses_are_verified(layout: str, steps: int) -> None:
    engine = drafting(layout, accuracy=0.5, tree=True)
    engine.submit(ask("a", 6, 12), ask("b", 6, 6))
    for _ in range(steps):
        engine.step()
    engine.plan()
    engine.cancel("a")
    engine.check()
    engine.finish()
    engine.run()
    engine.expect(ask("b", 6, 6))
