"""Attention by itself, to measure: by the kernels, and by the plain formula with all scores in memory."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from weft.ops.backend import GroupTables, LayerCache, PagedBatch, Span
from weft.ops.cpu.cpu_ops import CpuOps

BLOCK_TOKENS = 16


class Heads(NamedTuple):
    """Of queries, of keys and values, and how many numbers each has."""

    queries: int
    shared: int
    size: int


Work = Callable[[], object]
"""Does it once."""


def kernel_attention(heads: Heads, context_tokens: int, new_tokens: int, threads: int, seed: int) -> Work:
    """The last `new_tokens` of a sequence of `context_tokens` attend to all before, in bfloat16, on so many threads of
    the kernels."""
    q_THE, k_TGE, v_TGE = random_heads(heads, context_tokens, new_tokens, seed)
    num_blocks = -(-context_tokens // BLOCK_TOKENS)
    layer = LayerCache(0, *(_slots(each, num_blocks) for each in (k_TGE, v_TGE)))
    tables = [GroupTables(torch.arange(num_blocks)[None], None)]
    spans = [Span(0, context_tokens - new_tokens, new_tokens)]
    ops = CpuOps(threads)
    plan = ops.plan_attention(PagedBatch(spans, tables, [layer], BLOCK_TOKENS))
    last_k_TGE, last_v_TGE = k_TGE[-new_tokens:], v_TGE[-new_tokens:]
    return lambda: ops.attention(q_THE, last_k_TGE, last_v_TGE, 0, plan)


def plain_attention(
    heads: Heads, context_tokens: int, new_tokens: int, threads: int, seed: int, dtype: str
) -> Work:
    """The same numbers: all scores, their softmax, the weighted values, by torch's own products; each is written to
    memory whole before the next begins."""
    like = random_heads(heads, context_tokens, new_tokens, seed)
    q_HTE, k_HTE, v_HTE = (each.to(getattr(torch, dtype)).transpose(0, 1).contiguous() for each in like)
    times = heads.queries // heads.shared
    k_HTE, v_HTE = k_HTE.repeat_interleave(times, 0), v_HTE.repeat_interleave(times, 0)
    unseen_TT = torch.ones(new_tokens, context_tokens, dtype=torch.bool)
    unseen_TT = unseen_TT.triu(context_tokens - new_tokens + 1)

    def attend() -> object:
        torch.set_num_threads(threads)
        scores_HTT = (q_HTE @ k_HTE.transpose(1, 2)) * heads.size**-0.5
        return scores_HTT.masked_fill_(unseen_TT, float("-inf")).softmax(-1) @ v_HTE

    return attend


def random_heads(
    heads: Heads, context_tokens: int, new_tokens: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of the new tokens, keys and values of all, in bfloat16."""
    stream = torch.Generator().manual_seed(seed)
    shapes = ((new_tokens, heads.queries), (context_tokens, heads.shared), (context_tokens, heads.shared))
    q_THE, k_TGE, v_TGE = (torch.randn(*shape, heads.size, generator=stream).bfloat16() for shape in shapes)
    return q_THE, k_TGE, v_TGE


def _slots(rows_TGE: Tensor, num_blocks: int) -> Tensor:
    """A pool that holds them, position by position."""
    pool_SGE = rows_TGE.new_zeros(num_blocks * BLOCK_TOKENS, *rows_TGE.shape[1:])
    pool_SGE[: len(rows_TGE)] = rows_TGE
    return pool_SGE
