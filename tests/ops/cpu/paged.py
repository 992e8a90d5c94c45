"""Sequences that attend in steps of any shape on a cache in blocks, for tests of the kernels."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tests.ops.batches import Text, make_text, rows_of
from weft.ops.backend import GroupTables, LayerCache, PagedBatch, Span
from weft.ops.cpu.attention import SCALE_BYTES
from weft.ops.cpu.cpu_ops import CpuOps


class Heads(NamedTuple):
    """Of queries, of keys and values, and their size."""

    queries: int
    keys: int
    size: int


class Chunk(NamedTuple):
    """Positions of a text that a step computes."""

    text: int
    start: int
    end: int


Steps = Sequence[Sequence[Chunk]]


def texts_of(
    heads: Heads, lengths: Sequence[int], dtype: torch.dtype = torch.float32, seed: int = 0
) -> list[Text]:
    """Random ones."""
    made = [make_text(length, *heads, seed + index) for index, length in enumerate(lengths)]
    return [Text(*(part.to(dtype) for part in text)) for text in made]


def whole(texts: Sequence[Text]) -> Steps:
    """All in one step."""
    return [[Chunk(index, 0, len(text.q_THE)) for index, text in enumerate(texts)]]


class Memory:
    """A cache of one layer full of what nobody may look at, whose blocks are dealt out in a shuffled order."""

    def __init__(self, texts: Sequence[Text], block_tokens: int, dtype: torch.dtype, seed: int) -> None:
        lengths = [len(text.q_THE) for text in texts]
        counts = [-(-length // block_tokens) for length in lengths]
        order = torch.randperm(sum(counts) + 3, generator=torch.Generator().manual_seed(seed)).tolist()
        self.tables = [[order.pop() for _ in range(count)] for count in counts]
        _, heads, size = texts[0].k_TGE.shape
        shape = ((sum(counts) + 3) * block_tokens, heads, size + (SCALE_BYTES if dtype is torch.int8 else 0))
        filled = -1 if dtype is torch.int8 else torch.nan
        self.layer = LayerCache(
            0, torch.full(shape, filled, dtype=dtype), torch.full(shape, filled, dtype=dtype)
        )
        self.block_tokens = block_tokens

    def batch(self, chunks: Sequence[Chunk], window_tokens: int | None) -> PagedBatch:
        """A step; blocks that its window has left behind are gone."""
        longest = max(map(len, self.tables))
        tables, spans, first = [], [], 0
        for text, start, end in chunks:
            gone = 0 if window_tokens is None else max(0, start - window_tokens + 1) // self.block_tokens
            kept = self.tables[text][gone:]
            tables.append([-1] * gone + kept + [-1] * (longest - gone - len(kept)))
            spans.append(Span(first, start, end - start))
            first += end - start
        groups = [GroupTables(torch.tensor(tables), window_tokens)]
        return PagedBatch(spans, groups, [self.layer], self.block_tokens)


def attend(
    ops: CpuOps,
    texts: Sequence[Text],
    steps: Steps,
    *,
    window_tokens: int | None = None,
    block_tokens: int = 4,
    cache: torch.dtype | None = None,
    seed: int = 0,
) -> list[Tensor]:
    """The results of all positions, per text: [T, H * E]."""
    memory = Memory(texts, block_tokens, cache or texts[0].k_TGE.dtype, seed)
    results = [torch.full_like(text.q_THE, torch.nan).flatten(1) for text in texts]
    for chunks in steps:
        plan = ops.plan_attention(memory.batch(chunks, window_tokens))
        rows = rows_of(
            [texts[chunk.text] for chunk in chunks], [(chunk.start, chunk.end) for chunk in chunks]
        )
        found = ops.attention(*rows, 0, plan)
        parts = found.split_with_sizes([chunk.end - chunk.start for chunk in chunks])
        for (text, start, end), part in zip(chunks, parts, strict=True):
            results[text][start:end] = part
    return results


def expected(text: Text, window_tokens: int | None = None) -> Tensor:
    """The plain formula in float64: [T, H * E]."""
    q_THE, k_TGE, v_TGE = (part.double() for part in text)
    ratio = q_THE.shape[1] // k_TGE.shape[1]
    k_THE, v_THE = (part.repeat_interleave(ratio, 1) for part in (k_TGE, v_TGE))
    scores_HTL = torch.einsum("the,lhe->htl", q_THE, k_THE) / math.sqrt(q_THE.shape[2])
    distance_TL = torch.arange(len(q_THE))[:, None] - torch.arange(len(q_THE))
    hidden_TL = (distance_TL < 0) | (distance_TL >= (window_tokens or len(q_THE)))
    weights_HTL = scores_HTL.masked_fill(hidden_TL, -torch.inf).softmax(-1)
    return torch.einsum("htl,lhe->the", weights_HTL, v_THE).flatten(1)


def through_int8(x_TGE: Tensor) -> Tensor:
    """What an int8 cache makes of keys and values, and of queries that meet it.

    In float32, so that numbers in the middle go the same way.
    """
    wide_TGE = x_TGE.float()
    scales_TG1 = wide_TGE.abs().amax(-1, keepdim=True) / 127
    return torch.where(scales_TG1 > 0, (wide_TGE / scales_TG1).round().clamp(-127, 127) * scales_TG1, 0.0)
