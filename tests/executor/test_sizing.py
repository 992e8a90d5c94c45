"""How many blocks there are: what is wanted, what is paid for, and the number that a user should use."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError
from weft.contracts.state import PagedGroup, StateLayout
from weft.executor.sizing import Demand, blocks_needed, blocks_within, longest_within, size_bytes

LAYOUT = StateLayout((PagedGroup("attention", 100), PagedGroup("window", 50, window_tokens=64)), 16)
DEMAND = Demand(max_model_len=1024, max_num_seqs=4, max_num_batched_tokens=128)


def test_plenty_gives_what_all_sequences_could_need() -> None:
    assert blocks_within(LAYOUT, DEMAND, 1 << 40) == {"attention": 4 * 65, "window": 4 * 14}


@given(st.integers(0, 1 << 24), st.integers(1, 300))
def test_a_budget_is_kept_or_refused_with_numbers_that_work(budget_bytes: int, sequences: int) -> None:
    demand = DEMAND._replace(max_num_seqs=sequences)
    try:
        found = blocks_within(LAYOUT, demand, budget_bytes)
    except ConfigurationError as error:
        message = str(error)
        (least,) = re.findall(r"kv_cache_memory_bytes to at least (\d+)", message)
        blocks_within(LAYOUT, demand, int(least))
        for longest in re.findall(r"max_model_len to at most (\d+)", message):
            shorter = demand._replace(max_model_len=int(longest))
            blocks_within(LAYOUT, shorter, budget_bytes)
        return
    assert size_bytes(LAYOUT, found) <= budget_bytes
    assert all(found[name] >= count for name, count in blocks_needed(LAYOUT, DEMAND).items())


def test_no_room_names_both_ways_out() -> None:
    with pytest.raises(
        ConfigurationError, match="needs 1 MiB of key-value cache; there are 0 MiB"
    ) as refusal:
        blocks_within(LAYOUT, DEMAND, 60_000)
    assert f"max_model_len to at most {longest_within(LAYOUT, DEMAND, 60_000)}" in str(refusal.value)
