"""State of fixed size: one block per sequence, and copies of it from which others go on."""

import pytest

from tests.engine.small_engine import BLOCK_TOKENS, SmallEngine, ask, words
from weft.contracts.events import PrefixLookup, StepRecord
from weft.contracts.state import ConstantGroup, PagedGroup, StateLayout
from weft.contracts.steps import BlockCopy

PREFIX = words("prefix", 8)


def chunks(engine: SmallEngine) -> list[tuple[int, int]]:
    return [(entry.start, entry.num_units) for step in engine.steps for entry in step.entries]


def test_a_sequence_holds_one_block_however_long_it_gets() -> None:
    engine, request = SmallEngine("recurrent", prefix_caching=False), ask("a", 10, 12)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert [event.used_blocks for event in engine.events(StepRecord)] == [1] * 11 + [0]
    assert chunks(engine) == [(0, 10)]
    assert not any(step.copies for step in engine.steps)


def test_a_prompt_is_cut_at_its_last_boundary_so_that_a_snapshot_can_be_taken() -> None:
    engine, request = SmallEngine("recurrent"), ask("a", 10, 1)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert chunks(engine) == [(0, 8), (8, 2)]
    ((live,),) = engine.steps[0].added[0].tables
    (copy,) = engine.steps[1].copies
    assert copy == BlockCopy(0, live, copy.target)


def test_another_sequence_goes_on_from_a_copy_of_the_snapshot() -> None:
    engine, first, second = SmallEngine("recurrent"), ask("a", (*PREFIX, 1)), ask("b", (*PREFIX, 2, 3))
    engine.submit(first)
    engine.run()
    snapshot = engine.steps[1].copies[0].target
    engine.submit(second)
    step = engine.plan()
    assert step is not None
    (admission,) = step.added
    assert (admission.num_computed, admission.tables[0][0]) != (0, snapshot)
    assert step.copies == (BlockCopy(0, snapshot, admission.tables[0][0]),)
    engine.finish()
    engine.run()
    engine.expect(first, second)
    assert [event.hit_tokens for event in engine.events(PrefixLookup)] == [0, 8]


def test_decoding_leaves_a_snapshot_at_each_boundary() -> None:
    engine, request = SmallEngine("recurrent"), ask("a", 3, 12)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    taken = [number for number, step in enumerate(engine.steps) if step.copies]
    assert taken == [2, 6, 10]
    follower = ask("b", (*words("a", 3), *engine.text(request), 1))
    engine.submit(follower)
    engine.run()
    engine.expect(follower)
    assert engine.events(PrefixLookup)[-1].hit_tokens == 12


def test_snapshots_may_be_further_apart_than_blocks() -> None:
    layout = StateLayout((ConstantGroup("state", 64, snapshot_blocks=3), PagedGroup("full", 8)), BLOCK_TOKENS)
    engine, text = SmallEngine(layout), words("text", 30)
    engine.submit(ask("a", text, 1))
    engine.run()
    assert chunks(engine) == [(0, 24), (24, 6)]
    followers = [ask("b", (*text[:20], 5), 1), ask("c", (*text[:25], 5), 1), ask("d", (*text[:28], 5), 1)]
    engine.submit(*followers)
    engine.run()
    engine.expect(*followers)
    assert [event.hit_tokens for event in engine.events(PrefixLookup)] == [0, 0, 24, 24]


@pytest.mark.parametrize(("num_blocks", "most"), [(3, 1), (4, 2)])
def test_where_no_block_is_free_for_a_snapshot_there_is_none_and_nobody_suffers(
    num_blocks: int, most: int
) -> None:
    engine, requests = SmallEngine("recurrent", num_blocks), [ask("a", 3, 9), ask("b", 3, 9)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    assert max(len(step.copies) for step in engine.steps) == most


def test_a_snapshot_whose_sequence_is_cancelled_in_flight_is_given_back_or_kept_but_not_lost() -> None:
    engine = SmallEngine("recurrent", depth=2)
    engine.submit(ask("a", (*PREFIX, 1)))
    engine.plan()
    engine.plan()
    assert engine.pool().num_held == 2
    engine.cancel("a")
    engine.check()
    engine.run()
    again = ask("b", (*PREFIX, 2))
    engine.submit(again)
    engine.run()
    engine.expect(again)


@pytest.mark.parametrize("layout", ["mixed", "everything"])
def test_a_prefix_is_used_as_far_as_every_group_of_state_has_it(layout: str) -> None:
    engine, first, second = SmallEngine(layout), ask("a", (*PREFIX, 1), 3), ask("b", (*PREFIX, 2), 3)
    engine.submit(first)
    engine.run()
    engine.submit(second)
    engine.run()
    engine.expect(first, second)
    assert engine.events(PrefixLookup)[-1].hit_tokens == 8
