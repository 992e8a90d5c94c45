"""Who gives way when blocks run out, and how its state comes back."""

import pytest

from tests.engine.small_engine import SmallEngine, ask
from tests.simulator.fake_driver import LAYOUTS
from weft.contracts.events import PrefixLookup, Status, TransferEnded, TransferStarted
from weft.contracts.prompts import MediaItem
from weft.contracts.state import Tier
from weft.contracts.transfers import TransferKind
from weft.engine.scheduler import STALLED
from weft.simulator.fake_reference import reference_output

FIRST, LAST = ask("first", 10, 16), ask("last", 10, 14)
SWAPPED = [
    (Status.WAITING, "arrived"),
    (Status.RUNNING, "admitted"),
    (Status.PREEMPTED, "swap"),
    (Status.BLOCKED, "swap out"),
    (Status.PREEMPTED, "swapped out"),
    (Status.BLOCKED, "swap in"),
    (Status.RUNNING, "swapped in"),
    (Status.FINISHED, "length"),
]


def crowded(num_host_blocks: int = 0, *, depth: int = 1, holds_transfers: bool = False) -> SmallEngine:
    """An engine whose blocks hold one of the two requests, and a little more."""
    preempt = "latest_first_swap" if num_host_blocks else "latest_first"
    engine = SmallEngine(
        num_blocks=9,
        num_host_blocks=num_host_blocks,
        holds_transfers=holds_transfers,
        preempt=preempt,
        depth=depth,
    )
    engine.submit(FIRST, LAST)
    return engine


def until_blocked(engine: SmallEngine) -> None:
    """Go on until the later request waits for its state to be moved."""
    while engine.status("last") is not Status.BLOCKED:
        engine.step()


def test_the_last_in_order_gives_way_and_computes_anew_what_is_no_longer_cached() -> None:
    engine = crowded()
    engine.run()
    engine.expect(FIRST, LAST)
    assert [reason for _, reason in engine.moves("first")] == ["arrived", "admitted", "length"]
    assert [move for move in engine.moves("last") if move[0] is Status.PREEMPTED] == [
        (Status.PREEMPTED, "recompute")
    ]
    resumed = engine.events(PrefixLookup)[-1]
    admission = [admission for step in engine.steps for admission in step.added][-1]
    assert (admission.request, admission.num_computed) == (LAST, resumed.hit_tokens)
    assert resumed.queried_tokens == 10 + len(admission.output_tokens)
    assert admission.output_tokens == engine.text(LAST)[: len(admission.output_tokens)] != ()


def test_a_preempted_one_keeps_its_place_before_later_arrivals() -> None:
    engine, late = crowded(), ask("late", 3, 2)
    while engine.status("last") is not Status.PREEMPTED:
        engine.step()
    engine.submit(late)
    engine.run()
    engine.expect(FIRST, LAST, late)
    admitted = [admission.request.request_id for step in engine.steps for admission in step.added]
    assert admitted == ["first", "last", "last", "late"]


def test_state_that_was_swapped_out_comes_back_and_nothing_is_computed_twice() -> None:
    engine = crowded(num_host_blocks=8)
    engine.run()
    engine.expect(FIRST, LAST)
    assert engine.moves("last") == SWAPPED
    started = engine.events(TransferStarted)
    assert [event.kind for event in started] == [TransferKind.SWAP_OUT, TransferKind.SWAP_IN]
    assert started[0].num_blocks == started[1].num_blocks
    assert [event.error for event in engine.events(TransferEnded)] == [None, None]
    work = sum(step.num_tokens for step in engine.steps)
    assert work == 10 + 16 - 1 + 10 + 14 - 1


def test_where_host_memory_has_no_room_the_state_is_computed_anew() -> None:
    engine = crowded(num_host_blocks=2)
    engine.run()
    engine.expect(FIRST, LAST)
    assert (Status.PREEMPTED, "recompute") in engine.moves("last")
    assert engine.events(TransferStarted) == []


def test_blocks_are_held_while_they_are_moved_and_nobody_waits_for_that() -> None:
    engine = crowded(num_host_blocks=8, holds_transfers=True)
    until_blocked(engine)
    (moving,) = engine.moving
    held = [move.source for move in moving.moves]
    assert all(engine.pool().references[block] for block in held)
    engine.check()
    assert engine.step() is not None
    engine.land()
    assert engine.status("last") is Status.PREEMPTED
    engine.check()
    engine.run()
    engine.expect(FIRST, LAST)


def test_a_failed_swap_is_made_up_for_by_computing_anew() -> None:
    engine = crowded(num_host_blocks=8, holds_transfers=True)
    until_blocked(engine)
    engine.land("link down")
    assert (Status.PREEMPTED, "swap out failed: link down") in engine.moves("last")
    engine.run()
    engine.expect(FIRST, LAST)
    assert (Status.RUNNING, "swapped in") not in engine.moves("last")


def test_a_swap_in_that_breaks_off_is_made_up_for_too() -> None:
    engine = crowded(num_host_blocks=8, holds_transfers=True)
    until_blocked(engine)
    engine.land()
    until_blocked(engine)
    engine.land("link down")
    engine.run()
    engine.expect(FIRST, LAST)
    assert (Status.PREEMPTED, "swap in failed: link down") in engine.moves("last")


def test_state_that_was_damaged_in_host_memory_is_noticed_and_not_used() -> None:
    engine = crowded(num_host_blocks=8, holds_transfers=True)
    until_blocked(engine)
    (moving,) = engine.moving
    engine.land()
    engine.device.corrupt(0, moving.moves[0].target, tier=Tier.HOST)
    engine.run()
    engine.expect(FIRST, LAST)
    assert (Status.PREEMPTED, "swap in failed: checksum mismatch") in engine.moves("last")


@pytest.mark.parametrize("swaps_in", [False, True], ids=["on its way out", "on its way in"])
def test_one_that_is_cancelled_while_moved_keeps_its_blocks_until_that_ends(swaps_in: bool) -> None:
    engine = crowded(num_host_blocks=8, holds_transfers=True)
    until_blocked(engine)
    if swaps_in:
        engine.land()
        until_blocked(engine)
    (moving,) = engine.moving
    assert engine.cancel("last")
    engine.check()
    on_device = [move.target if swaps_in else move.source for move in moving.moves]
    assert all(engine.pool().references[block] for block in on_device)
    engine.run()
    engine.expect(FIRST)
    assert engine.ends["last"].status is Status.CANCELLED


def test_a_sequence_that_finishes_by_a_step_under_way_is_not_brought_back() -> None:
    """Both begin a block at once and there is none: the later one gives way while its seventh token, after
    which it stops, is being computed."""
    engine = SmallEngine(num_blocks=8, depth=2)
    text = reference_output(engine.spec, LAST)
    last = ask("last", 10, 14, stop_token_ids=(text[6],))
    assert len(reference_output(engine.spec, last)) == 7
    engine.submit(FIRST, last)
    engine.run()
    engine.expect(FIRST, last)
    assert engine.moves("last")[-2:] == [(Status.PREEMPTED, "recompute"), (Status.FINISHED, "stop")]


def test_a_sequence_that_stalls_for_blocks_under_way_resumes_when_they_are_there() -> None:
    """With steps in flight a victim's blocks come back late; whoever needs them pauses, keeps its row, and goes
    on by an entry of its own until it stands again."""
    stalled = STALLED.hits
    engine = SmallEngine(num_blocks=8, depth=2)
    engine.submit(FIRST, LAST)
    engine.run()
    engine.expect(FIRST, LAST)
    assert STALLED.hits > stalled
    (paused,) = [step for step in engine.steps if 0 in step.paused and 0 not in step.removed][:1]
    (entry,) = paused.entries
    assert (entry.row, entry.start, entry.num_units, entry.stands) == (0, 16, 1, True)
    assert engine.moves("first")[1:] == [(Status.RUNNING, "admitted"), (Status.FINISHED, "length")]


def test_one_that_is_moved_in_the_middle_of_its_prompt_goes_on_where_it_was() -> None:
    engine = SmallEngine(
        num_blocks=9, num_host_blocks=8, holds_transfers=True, preempt="latest_first_swap", max_step_tokens=8
    )
    first, last = ask("first", 14, 10), ask("last", 20, 4)
    engine.submit(first)
    for _ in range(3):
        engine.step()
    engine.submit(last)
    until_blocked(engine)
    (sequence,) = engine.sequences("last")
    assert 0 < sequence.num_computed < 20
    engine.land()
    until_blocked(engine)
    engine.step()
    engine.run()
    engine.expect(first, last)
    assert engine.moves("last") == SWAPPED


@pytest.mark.parametrize("layout", ["paged", "windowed", "mixed", "everything"])
@pytest.mark.parametrize("num_host_blocks", [0, 40])
def test_every_kind_of_state_survives_preemption(layout: str, num_host_blocks: int) -> None:
    sizes = {"full": 9, "window": 12, "state": 12, "encoder": 4}
    media = (MediaItem(b"cat", 2, 6),) if layout == "everything" else ()
    engine = SmallEngine(
        layout,
        {group.name: sizes[group.name] for group in LAYOUTS[layout].groups},
        num_host_blocks,
        preempt="latest_first_swap",
        max_step_tokens=16,
        depth=2,
    )
    requests = [ask(f"r{i}", 8 + i, 14, media=media) for i in range(4)]
    engine.submit(*requests)
    engine.run()
    engine.expect(*requests)
    preempted = [status for i in range(4) for status, _ in engine.moves(f"r{i}")]
    assert Status.PREEMPTED in preempted
    assert (Status.BLOCKED in preempted) == bool(num_host_blocks)
