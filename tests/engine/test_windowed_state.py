"""State of attention over a window: what nobody sees any more is given back early."""

import pytest

from tests.engine.small_engine import BLOCK_TOKENS, SmallEngine, ask, words
from weft.contracts.errors import RequestRejected
from weft.contracts.events import PrefixLookup
from weft.contracts.steps import HOLE

FULL, WINDOW = 0, 1
WINDOW_TOKENS = 6


def seen_blocks(position: int) -> int:
    """How many blocks a token at a position sees a part of."""
    return position // BLOCK_TOKENS - max(0, position - WINDOW_TOKENS + 1) // BLOCK_TOKENS + 1


def test_a_decoding_sequence_holds_the_blocks_its_next_token_sees_and_hardly_more() -> None:
    """One more at most: what left the window is given back when a new block is begun."""
    engine, request = SmallEngine("windowed"), ask("a", 7, 20)
    engine.submit(request)
    for computed in range(7, 26):
        engine.step()
        (sequence,) = engine.sequences("a")
        assert sequence.num_computed == computed
        held = [block for block in sequence.tables[WINDOW] if block != HOLE]
        assert len(held) == engine.pool(WINDOW).num_held
        assert 0 <= len(held) - seen_blocks(computed - 1) <= 1
        assert HOLE not in sequence.tables[FULL]
    engine.run()
    engine.expect(request)
    assert engine.pool(FULL).num_held == engine.pool(WINDOW).num_held == 0


def test_a_long_sequence_passes_through_a_small_pool_of_windowed_blocks() -> None:
    """Window, one step's worth and a block at either end are all it can hold at once."""
    request = ask("a", 60, 40)
    engine = SmallEngine("windowed", {"full": 25, "window": 6}, max_step_tokens=8)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    smaller = SmallEngine("windowed", {"full": 25, "window": 5}, max_step_tokens=8)
    with pytest.raises(RequestRejected, match="need 6 blocks of state 'window', and there are 5"):
        smaller.submit(request)


def test_a_prefix_is_taken_up_without_the_blocks_that_left_the_window() -> None:
    engine, prefix = SmallEngine("windowed"), words("prefix", 16)
    first, second = ask("a", (*prefix, 1)), ask("b", (*prefix, 2))
    engine.submit(first)
    engine.run()
    engine.submit(second)
    step = engine.plan()
    assert step is not None
    full, window = step.added[0].tables
    assert [block == HOLE for block in full] == [False] * 5
    assert [block == HOLE for block in window] == [True, True, False, False, False]
    engine.finish()
    engine.run()
    engine.expect(first, second)


@pytest.mark.parametrize(("num_windowed", "hit_tokens"), [(64, 16), (6, 0)])
def test_a_prefix_is_found_only_where_its_last_window_still_is(num_windowed: int, hit_tokens: int) -> None:
    """The full group has it all; of a small pool's windowed blocks, others have taken the oldest idle ones."""
    prefix = words("prefix", 16)
    engine = SmallEngine("windowed", {"full": 64, "window": num_windowed}, max_step_tokens=8)
    again = ask("c", (*prefix, 2), 1)
    for request in (ask("a", (*prefix, 1), 1), ask("b", 28, 1), again):
        engine.submit(request)
        engine.run()
    engine.expect(again)
    assert engine.events(PrefixLookup)[-1].hit_tokens == hit_tokens


@pytest.mark.parametrize(
    ("layout", "num_blocks", "prompt"), [("only windows", 4, 9), ("only windows", 5, 13), ("recurrent", 2, 9)]
)
def test_a_cached_prefix_never_keeps_a_request_from_running(
    layout: str, num_blocks: int, prompt: int
) -> None:
    """The door let it in, and the device is empty: it must run, if need be without the prefix."""
    engine = SmallEngine(layout, num_blocks, max_step_tokens=8)
    for name in ("a", "b"):
        request = ask(name, words("same", prompt), 4)
        engine.submit(request)
        engine.run()
        engine.expect(request)
