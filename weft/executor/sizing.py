"""How many blocks of state there are to be."""

from math import ceil
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.state import PagedGroup, StateLayout

MEBIBYTE = 1 << 20


class Demand(NamedTuple):
    """What a server is to hold at once: tokens of a sequence, sequences, tokens of a step."""

    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int


def blocks_wanted(layout: StateLayout, demand: Demand) -> dict[str, int]:
    """Per state group, the blocks with which all sequences at full length fit at once."""
    return {
        group.name: demand.max_num_seqs * _blocks_of_one(group, layout.block_tokens, demand)
        for group in _paged(layout)
    }


def blocks_needed(layout: StateLayout, demand: Demand) -> dict[str, int]:
    """Per state group, the blocks without which one sequence at full length does not fit."""
    return {group.name: _blocks_of_one(group, layout.block_tokens, demand) for group in _paged(layout)}


def size_bytes(layout: StateLayout, num_blocks: dict[str, int]) -> int:
    """Bytes of so many blocks."""
    return sum(num_blocks[group.name] * _block_bytes(group, layout) for group in _paged(layout))


def blocks_within(layout: StateLayout, demand: Demand, budget_bytes: int) -> dict[str, int]:
    """Per state group, the blocks that a budget in bytes pays for, at most as many as are wanted.

    Groups are filled in proportion to what a sequence at full length takes of each. Raises
    `ConfigurationError` where not even one sequence fits, naming lengths and sizes that would.
    """
    wanted, needed = blocks_wanted(layout, demand), blocks_needed(layout, demand)
    wanted_bytes = size_bytes(layout, wanted)
    usable_bytes = min(budget_bytes, wanted_bytes)
    found = {name: count * usable_bytes // wanted_bytes for name, count in wanted.items()}
    if any(found[name] < needed[name] for name in needed):
        raise ConfigurationError(_no_room(layout, demand, budget_bytes, size_bytes(layout, needed)))
    return found


def longest_within(layout: StateLayout, demand: Demand, budget_bytes: int) -> int:
    """The longest sequence, in tokens, that a budget in bytes has room for; 0 where it has none."""
    low, high = 0, demand.max_model_len
    while low < high:
        middle = (low + high + 1) // 2
        needed = blocks_needed(layout, demand._replace(max_model_len=middle))
        low, high = (middle, high) if size_bytes(layout, needed) <= budget_bytes else (low, middle - 1)
    return low


def _no_room(layout: StateLayout, demand: Demand, budget_bytes: int, needed_bytes: int) -> str:
    longest = longest_within(layout, demand, budget_bytes)
    problem = (
        f"a sequence of {demand.max_model_len} tokens needs {ceil(needed_bytes / MEBIBYTE)} MiB of key-value cache; "
        f"there are {budget_bytes // MEBIBYTE} MiB"
    )
    shorter = f"max_model_len to at most {longest}, or set " if longest else ""
    return f"{problem}; set {shorter}kv_cache_memory_bytes to at least {needed_bytes}"


def _blocks_of_one(group: PagedGroup, block_tokens: int, demand: Demand) -> int:
    """Of a window, what it spans at worst while a chunk is computed; one more for a copy before a write."""
    tokens = demand.max_model_len
    if group.window_tokens is not None:
        tokens = min(tokens, group.window_tokens + demand.max_num_batched_tokens + block_tokens)
    return ceil(tokens / block_tokens) + 1


def _block_bytes(group: PagedGroup, layout: StateLayout) -> int:
    return group.bytes_per_token * layout.block_tokens


def _paged(layout: StateLayout) -> list[PagedGroup]:
    return [group for group in layout.groups if isinstance(group, PagedGroup)]
