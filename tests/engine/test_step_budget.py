"""What a step computes: decoding and prompts share its tokens as the budget policy says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.steps import Step


def entries(step: Step | None) -> list[tuple[int, int]]:
    """Start and count of the explicit work of a step."""
    assert step is not None
    return [(entry.start, entry.num_units) for entry in step.entries]


def test_a_long_prompt_is_cut_into_what_decoding_leaves_of_each_step() -> None:
    engine = SmallEngine(max_step_tokens=16)
    chatting, reading = ask("chatting", 4, 20), ask("reading", 40, 2)
    engine.submit(chatting)
    engine.step()
    engine.submit(reading)
    steps = [engine.step() for _ in range(3)]
    assert [entries(step) for step in steps] == [[(0, 15)], [(15, 15)], [(30, 10)]]
    assert [step.num_tokens for step in steps if step] == [16, 16, 11]
    assert all(step.advances for step in steps if step)
    engine.run()
    engine.expect(chatting, reading)


@given(
    sizes=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 8)), min_size=1, max_size=6),
    most=st.integers(4, 24),
)
def test_no_step_exceeds_its_tokens_and_no_decode_waits_for_a_prompt(
    sizes: list[tuple[int, int]], most: int
) -> None:
    engine = SmallEngine(max_step_tokens=most, max_running=4)
    requests = [ask(f"r{i}", prompt, output) for i, (prompt, output) in enumerate(sizes)]
    engine.submit(*requests)
    standing = 0
    while (step := engine.plan()) is not None:
        assert step.num_tokens <= most
        assert step.advances == (standing - len(step.paused) > 0)
        engine.finish()
        standing = engine.engine._replica.standing.count
    engine.expect(*requests)


def test_those_who_decode_advance_without_being_mentioned() -> None:
    engine, requests = SmallEngine(), [ask(name, 5, 4) for name in "abc"]
    engine.submit(*requests)
    first, *rest = [engine.step() for _ in range(4)]
    assert first is not None
    assert [entry.stands for entry in first.entries] == [True] * 3
    for step in rest:
        assert step is not None
        assert (step.entries, step.added, step.advances, step.num_tokens) == ((), (), True, 3)
    assert engine.plan() is None
    engine.expect(*requests)


@pytest.mark.parametrize("stream", [False, True])
def test_an_output_may_be_long_without_anybody_looking_at_it(stream: bool) -> None:
    engine = SmallEngine(num_blocks=300, depth=2)
    requests = [ask("a", 5, 300), ask("b", 7, 290)]
    engine.submit(*requests, stream=stream)
    engine.run()
    engine.expect(*requests)


def test_one_token_of_output_never_stands() -> None:
    engine, request = SmallEngine(), ask("a", 5, 1)
    engine.submit(request)
    step = engine.step()
    assert step is not None
    assert [(entry.emits, entry.stands) for entry in step.entries] == [(True, False)]
    engine.expect(request)


def test_prompts_first_makes_decoding_wait_for_steps_of_prompts() -> None:
    engine = SmallEngine(budget="prefill_first", max_step_tokens=16)
    early, late = ask("early", 6, 5), ask("late", 12, 3)
    engine.submit(early)
    engine.step()
    engine.step()
    engine.submit(late)
    step = engine.step()
    assert step is not None
    assert (entries(step), step.advances, step.num_tokens) == ([(0, 12)], False, 12)
    step = engine.step()
    assert step is not None
    assert (entries(step), step.advances, step.num_tokens) == ([], True, 2)
    engine.run()
    engine.expect(early, late)


def test_prompts_first_splits_only_what_exceeds_a_whole_step() -> None:
    engine = SmallEngine(budget="prefill_first", max_step_tokens=16)
    requests = [ask("a", 10, 2), ask("b", 10, 2), ask("c", 20, 2)]
    engine.submit(*requests)
    steps = [entries(engine.step()) for _ in range(4)]
    assert steps == [[(0, 10)], [(0, 10)], [(0, 16)], [(16, 4)]]
    assert "token budget" in engine.reasons("b")
    engine.run()
    engine.expect(*requests)


def test_a_batch_of_whole_requests_lets_nobody_join_until_all_have_finished() -> None:
    engine = SmallEngine(budget="request_level")
    long, short, late = ask("long", 6, 6), ask("short", 6, 2), ask("late", 6, 2)
    engine.submit(long, short)
    engine.step()
    engine.submit(late)
    while "long" not in engine.ends:
        assert engine.running() in (["long", "short"], ["long"])
        engine.step()
    assert "late" not in engine.ends
    assert engine.reasons("late") == ["the budget policy admits nobody"]
    engine.run()
    engine.expect(long, short, late)


def test_a_batch_of_whole_requests_stays_open_while_its_prompts_are_computed() -> None:
    engine = SmallEngine(budget="request_level", max_step_tokens=16)
    first, second = ask("first", 20, 2), ask("second", 3, 2)
    engine.submit(first)
    engine.step()
    engine.submit(second)
    engine.step()
    assert engine.running() == ["first", "second"]
    engine.run()
    engine.expect(first, second)
