"""Batches on state in blocks, for tests of attention."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from weft.ops.backend import GroupTables, LayerCache, PagedBatch, Span

BLOCK_TOKENS = 4


class Text(NamedTuple):
    """Queries, keys and values of one sequence at all its positions."""

    q_THE: Tensor
    k_TGE: Tensor
    v_TGE: Tensor


def make_text(num_tokens: int, heads: int, kv_heads: int, head_dim: int, seed: int) -> Text:
    generator = torch.Generator().manual_seed(seed)
    return Text(
        *(
            torch.randn(num_tokens, count, head_dim, generator=generator)
            for count in (heads, kv_heads, kv_heads)
        )
    )


class Cache:
    """A pool of one layer, filled with garbage, whose blocks are dealt out in a shuffled order."""

    def __init__(self, num_blocks: int, kv_heads: int, head_dim: int, seed: int) -> None:
        self._order = torch.randperm(num_blocks, generator=torch.Generator().manual_seed(seed)).tolist()
        shape = (num_blocks * BLOCK_TOKENS, kv_heads, head_dim)
        self.layer = LayerCache(0, torch.full(shape, torch.nan), torch.full(shape, torch.nan))

    def table(self, num_tokens: int) -> list[int]:
        """Blocks for a sequence."""
        return [self._order.pop() for _ in range(-(-num_tokens // BLOCK_TOKENS))]

    def fill(self, table: Sequence[int], text: Text, num_tokens: int) -> None:
        """What earlier steps left of a sequence."""
        for position in range(num_tokens):
            slot = table[position // BLOCK_TOKENS] * BLOCK_TOKENS + position % BLOCK_TOKENS
            self.layer.keys_SGE[slot] = text.k_TGE[position]
            self.layer.values_SGE[slot] = text.v_TGE[position]

    def batch(
        self, tables: Sequence[Sequence[int]], ranges: Sequence[tuple[int, int]], window_tokens: int | None
    ) -> PagedBatch:
        """A step that computes a range of positions of each sequence."""
        longest = max(len(table) for table in tables)
        padded = torch.tensor([[*table, *[-1] * (longest - len(table))] for table in tables])
        spans, first = [], 0
        for start, end in ranges:
            spans.append(Span(first, start, end - start))
            first += end - start
        return PagedBatch(spans, [GroupTables(padded, window_tokens)], [self.layer], BLOCK_TOKENS)


def rows_of(texts: Sequence[Text], ranges: Sequence[tuple[int, int]]) -> Text:
    """The packed rows of a step."""
    return Text(
        *(
            torch.cat([text[part][start:end] for text, (start, end) in zip(texts, ranges, strict=True)])
            for part in range(3)
        )
    )
