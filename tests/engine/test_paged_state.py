"""State in blocks of tokens: taken as a sequence grows, shared, copied before a write, given back."""

import pytest

from tests.engine.small_engine import SmallEngine, ask, words
from weft.contracts.events import PrefixLookup, StepRecord
from weft.contracts.steps import BlockCopy, TableChange, TableGrowth

PREFIX = words("prefix", 8)


def hits(engine: SmallEngine) -> dict[str, int]:
    """Tokens found cached by each request when it was admitted."""
    return {event.request_id: event.hit_tokens for event in engine.events(PrefixLookup)}


def test_blocks_are_taken_as_a_sequence_grows_and_given_back_at_its_end() -> None:
    engine, request = SmallEngine(), ask("a", 6, 5)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert [event.used_blocks for event in engine.events(StepRecord)] == [2, 2, 2, 3, 0]
    assert [step.tables for step in engine.steps] == [()] * 5
    ((table,),) = [admission.tables for step in engine.steps for admission in step.added]
    ((growth,),) = [step.grown for step in engine.steps if step.grown]
    (change,) = growth.changes()
    assert engine.steps[3].grown == (growth,)
    assert change == TableChange(0, 0, 2, (growth.blocks[0],))
    assert len(dict.fromkeys((*table, *growth.blocks))) == 3


def test_a_row_that_is_given_up_before_its_block_was_told_of_is_left_out() -> None:
    growth = TableGrowth(0, [3, 5, 7], [1, 2, 4], [10, 11, 12])
    assert growth.without(5) == TableGrowth(0, [3, 7], [1, 4], [10, 12])


def test_whole_blocks_of_an_equal_prefix_are_shared_and_not_computed_again() -> None:
    engine = SmallEngine()
    first, second = ask("a", PREFIX + words("a", 3)), ask("b", PREFIX + words("b", 2))
    engine.submit(first)
    engine.step()
    engine.submit(second)
    step = engine.step()
    assert step is not None
    (admission,), (entry,) = step.added, step.entries
    assert (admission.num_computed, entry.start, entry.num_units) == (8, 8, 2)
    assert admission.tables[0][:2] == engine.steps[0].added[0].tables[0][:2]
    assert [engine.pool().is_shared(block) for block in admission.tables[0]] == [True, True, False]
    engine.run()
    engine.expect(first, second)
    assert hits(engine) == {"a": 0, "b": 8}


def test_a_prefix_is_found_after_everybody_who_had_it_has_gone() -> None:
    engine, first, second = SmallEngine(), ask("a", (*PREFIX, 1)), ask("b", (*PREFIX, 2))
    engine.submit(first)
    engine.run()
    engine.submit(second)
    engine.run()
    engine.expect(first, second)
    assert hits(engine)["b"] == 8


def test_the_next_turn_finds_the_output_of_the_last() -> None:
    engine, first = SmallEngine(), ask("a", 6, 7)
    engine.submit(first)
    engine.run()
    history = (*words("a", 6), *engine.text(first))
    second = ask("b", (*history, 5, 6))
    engine.submit(second)
    engine.run()
    engine.expect(second)
    assert hits(engine)["b"] == 12


def test_the_last_token_is_computed_even_where_all_is_cached() -> None:
    """Its output is what the request is for."""
    engine, first, second = SmallEngine(), ask("a", PREFIX), ask("b", PREFIX)
    engine.submit(first)
    engine.run()
    engine.submit(second)
    engine.run()
    engine.expect(first, second)
    assert hits(engine)["b"] == 4


def test_without_prefix_caching_everything_is_computed() -> None:
    engine = SmallEngine(prefix_caching=False)
    first, second = ask("a", (*PREFIX, 1)), ask("b", (*PREFIX, 2))
    for request in (first, second):
        engine.submit(request)
        engine.run()
    engine.expect(first, second)
    assert hits(engine) == {}
    assert [entry.start for step in engine.steps for entry in step.entries] == [0, 0]


@pytest.mark.parametrize(
    ("prompt", "copies"), [(6, True), (9, False)], ids=["inside a block", "at a boundary"]
)
def test_a_shared_block_is_copied_before_one_of_its_holders_writes_to_it(prompt: int, copies: bool) -> None:
    engine, request = SmallEngine(), ask("a", prompt, n=2, temperature=1.0)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert engine.text(request, 0) != engine.text(request, 1)
    made = [copy for step in engine.steps for copy in step.copies]
    assert bool(made) == copies
    (shared,) = engine.steps[0].added[0].tables[0][1:2]
    assert made == [BlockCopy(0, shared, copy.target) for copy in made]
    assert len(dict.fromkeys([shared, *(copy.target for copy in made)])) == len(made) + 1


def test_blocks_of_one_that_ended_stay_put_until_the_steps_under_way_have_returned() -> None:
    engine = SmallEngine(depth=2)
    engine.submit(ask("a", 7, 9))
    engine.plan()
    engine.finish()
    engine.plan()
    engine.plan()
    engine.cancel("a")
    assert engine.pool().num_held == 3
    engine.check()
    engine.finish()
    assert engine.pool().num_held == 3
    engine.finish()
    assert engine.pool().num_held == 0
    engine.run()


def test_the_beginning_of_a_text_outlives_its_end_in_the_cache() -> None:
    """Others share beginnings more often than ends."""
    engine, text = SmallEngine(num_blocks=4), words("text", 13)
    engine.submit(ask("a", text, 1))
    engine.run()
    engine.submit(ask("b", 7, 1))
    engine.run()
    engine.submit(ask("c", text, 1))
    engine.run()
    assert hits(engine) == {"a": 0, "b": 0, "c": 8}
