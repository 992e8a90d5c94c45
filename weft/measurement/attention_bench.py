"""Attention of the `cpu` backend by itself, beside the plain formula with all scores in memory."""

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_TOKENS = 16


class Heads(NamedTuple):
    """Of queries, of keys and values, and how many numbers each has."""

    queries: int
    shared: int
    size: int


Timed = Callable[[], float]
"""Does it once; seconds."""


def kernel_attention(heads: Heads, context_tokens: int, new_tokens: int, threads: int, seed: int) -> Timed:
    """The last `new_tokens` of a sequence of `context_tokens` attend to all before, in bfloat16, on so many threads of
    the kernels."""
    import torch

    from weft.ops.backend import GroupTables, LayerCache, PagedBatch, Span
    from weft.ops.cpu.cpu_ops import CpuOps

    q_THE, k_TGE, v_TGE = random_heads(heads, context_tokens, new_tokens, seed)
    num_blocks = -(-context_tokens // BLOCK_TOKENS)
    layer = LayerCache(0, *(_slots(each, num_blocks) for each in (k_TGE, v_TGE)))
    tables = [GroupTables(torch.arange(num_blocks)[None], None)]
    spans = [Span(0, context_tokens - new_tokens, new_tokens)]
    ops = CpuOps(threads)
    plan = ops.plan_attention(PagedBatch(spans, tables, [layer], BLOCK_TOKENS))
    last_k_TGE, last_v_TGE = k_TGE[-new_tokens:], v_TGE[-new_tokens:]
    return _timed(lambda: ops.attention(q_THE, last_k_TGE, last_v_TGE, 0, plan))


def plain_attention(
    heads: Heads, context_tokens: int, new_tokens: int, threads: int, seed: int, dtype: str
) -> Timed:
    """The same numbers: all scores, their softmax, the weighted values, by torch's own products; each is written to
    memory whole before the next begins."""
    import torch

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

    return _timed(attend)


def random_heads(
    heads: Heads, context_tokens: int, new_tokens: int, seed: int
) -> "tuple[Tensor, Tensor, Tensor]":
    """Queries of the new tokens, keys and values of all, in bfloat16."""
    import torch

    stream = torch.Generator().manual_seed(seed)
    shapes = ((new_tokens, heads.queries), (context_tokens, heads.shared), (context_tokens, heads.shared))
    q_THE, k_TGE, v_TGE = (torch.randn(*shape, heads.size, generator=stream).bfloat16() for shape in shapes)
    return q_THE, k_TGE, v_TGE


def best_in_turns(contenders: "list[Timed]", turns: int) -> list[float]:
    """Seconds of each, all taking turns; the first turn warms up and does not count, of the others the shortest does:
    what else runs on the machine can only add."""
    rounds = [[contender() for contender in contenders] for _ in range(turns + 1)]
    return [min(times) for times in zip(*rounds[1:], strict=True)]


def _slots(rows_TGE: "Tensor", num_blocks: int) -> "Tensor":
    """A pool that holds them, position by position."""
    pool_SGE = rows_TGE.new_zeros(num_blocks * BLOCK_TOKENS, *rows_TGE.shape[1:])
    pool_SGE[: len(rows_TGE)] = rows_TGE
    return pool_SGE


def _timed(work: Callable[[], object]) -> Timed:
    def once() -> float:
        begun_s = perf_counter()
        work()
        return perf_counter() - begun_s

    return once
