"""Attention of the `torch` backend on state in blocks: blocks are gathered, then torch's own kernel attends.

Spans of one unit (decoding) are padded to the longest and attended together; each longer span by itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from weft.ops.backend import GroupTables, LayerCache, PagedBatch, Span
from weft.ops.packed_attention import causal_mask

Indexes = NDArray[np.int64]

GATHER_LIMIT_TOKENS = 1 << 17
"""The most (padded) tokens whose keys and values are gathered at once, so that copies stay small beside pools."""


@dataclass(frozen=True, slots=True)
class DecodeGather:
    """Spans of one unit: their rows in the packed tensors, the blocks they see, and which slots of these."""

    rows_B: Tensor
    blocks_N: Tensor
    mask_B11L: Tensor


@dataclass(frozen=True, slots=True)
class SpanGather:
    """A longer span: the blocks it sees, and what is added to the score of each of their slots for each unit.

    `bias_TL` is None where the span is a sequence from its beginning, without a window.
    """

    span: Span
    blocks_N: Tensor
    bias_TL: Tensor | None


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What the layers of one state group need: `slots_T` is where the new keys and values go."""

    slots_T: Tensor
    decodes: list[DecodeGather]
    spans: list[SpanGather]


@dataclass(frozen=True, slots=True)
class PagedPlan:
    """A batch worked out for all layers."""

    groups: list[GroupPlan]
    batch: PagedBatch


def plan_paged(batch: PagedBatch) -> PagedPlan:
    """Work out slots, blocks and masks once per state group."""
    return PagedPlan([_plan_group(batch, group) for group in batch.groups], batch)


def new_slots(batch: PagedBatch, tables_BM: Tensor) -> Tensor:
    """The slot of every unit of the batch in one state group: [T]."""
    device, size = tables_BM.device, batch.block_tokens
    if all(span.num_units == 1 for span in batch.spans):
        starts_B = np.array([span.start for span in batch.spans])
        blocks_B = _looked_up(tables_BM, np.arange(len(starts_B)), starts_B // size)
        return _there(starts_B % size, device).add_(blocks_B, alpha=size)
    parts = []
    for row, span in enumerate(batch.spans):
        positions = torch.arange(span.start, span.start + span.num_units, device=device)
        parts.append(tables_BM[row, positions // size] * size + positions % size)
    return torch.cat(parts)


def _plan_group(batch: PagedBatch, group: GroupTables) -> GroupPlan:
    singles = [row for row, span in enumerate(batch.spans) if span.num_units == 1]
    singles.sort(key=lambda row: batch.spans[row].start)
    decodes = [_plan_decodes(batch, group, rows) for rows in _in_portions(batch, group, singles)]
    longer = [
        _plan_span(batch, group, row, span) for row, span in enumerate(batch.spans) if span.num_units > 1
    ]
    return GroupPlan(new_slots(batch, group.tables_BM), decodes, longer)


def _in_portions(batch: PagedBatch, group: GroupTables, rows: list[int]) -> list[list[int]]:
    """Rows in order of length, cut so that no portion gathers more than the limit."""
    portions: list[list[int]] = []
    for row in rows:
        longest = batch.spans[row].start + 1
        if group.window_tokens is not None:
            longest = min(longest, group.window_tokens + 2 * batch.block_tokens)
        if not portions or (len(portions[-1]) + 1) * longest > GATHER_LIMIT_TOKENS:
            portions.append([])
        portions[-1].append(row)
    return portions


def _plan_decodes(batch: PagedBatch, group: GroupTables, rows: list[int]) -> DecodeGather:
    """Worked out in arrays: on a CPU torch takes longer for a few numbers, and in each of its operations gives the
    interpreter to the event loop's thread."""
    device, size = group.tables_BM.device, batch.block_tokens
    spans = [batch.spans[row] for row in rows]
    positions_B1 = np.array([span.start for span in spans])[:, None]
    firsts_B1 = np.array([_first_block(span.start, group.window_tokens, size) for span in spans])[:, None]
    num_blocks = int((positions_B1 // size + 1 - firsts_B1).max())
    indexes_BM = np.minimum(firsts_B1 + np.arange(num_blocks), group.tables_BM.shape[1] - 1)
    blocks_BM = _looked_up(group.tables_BM, np.array(rows)[:, None], indexes_BM).clamp_(min=0)
    keys_BL = firsts_B1 * size + np.arange(num_blocks * size)
    mask_BL = keys_BL <= positions_B1
    if group.window_tokens is not None:
        mask_BL &= keys_BL > positions_B1 - group.window_tokens
    packed_rows = _there(np.array([span.first for span in spans]), device)
    return DecodeGather(packed_rows, blocks_BM.flatten(), _there(mask_BL[:, None, None], device))


def _looked_up(tables_BM: Tensor, rows: Indexes, columns: Indexes) -> Tensor:
    """These entries, as a new tensor."""
    if tables_BM.device.type == "cpu":
        return torch.from_numpy(tables_BM.numpy()[rows, columns])
    return tables_BM[_there(rows, tables_BM.device), _there(columns, tables_BM.device)]


def _there(made: NDArray[Any], device: torch.device) -> Tensor:
    tensor = torch.from_numpy(made)
    return tensor if device.type == "cpu" else tensor.to(device)


def _plan_span(batch: PagedBatch, group: GroupTables, row: int, span: Span) -> SpanGather:
    size, end, window = batch.block_tokens, span.start + span.num_units, group.window_tokens
    first = _first_block(span.start, window, size)
    blocks = group.tables_BM[row, first : -(-end // size)].clamp(min=0)
    if span.start == 0 and (window is None or window >= end):
        return SpanGather(span, blocks, None)
    mask = causal_mask(span.start, span.num_units, first * size, len(blocks) * size, window, blocks.device)
    # As numbers to add, and once: torch would make them of truth values in every layer.
    bias = torch.zeros(mask.shape, dtype=batch.layers[0].keys_SGE.dtype, device=mask.device)
    return SpanGather(span, blocks, bias.masked_fill_(~mask, -torch.inf))


def _first_block(start: int, window_tokens: int | None, block_tokens: int) -> int:
    return 0 if window_tokens is None else max(0, start - window_tokens + 1) // block_tokens


def attend_paged(q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: PagedPlan) -> Tensor:
    """Write the new keys and values to their slots, then attend: [T, H * E]."""
    cache = plan.batch.layers[layer]
    group = plan.groups[cache.group]
    cache.keys_SGE.index_copy_(0, group.slots_T, k_TGE.to(cache.keys_SGE.dtype))
    cache.values_SGE.index_copy_(0, group.slots_T, v_TGE.to(cache.values_SGE.dtype))
    out_THE = torch.empty_like(q_THE)
    for decode in group.decodes:
        out_THE[decode.rows_B] = _attend_decodes(q_THE[decode.rows_B], cache, decode, plan.batch.block_tokens)
    for gather in group.spans:
        first, end = gather.span.first, gather.span.first + gather.span.num_units
        out_THE[first:end] = _attend_span(q_THE[first:end], cache, gather, plan.batch.block_tokens)
    return out_THE.flatten(1)


def _gather(pool_SGE: Tensor, blocks_N: Tensor, num_spans: int, block_tokens: int, like: Tensor) -> Tensor:
    """Whole blocks of a pool, per span, as [B, G, L, E]."""
    heads_and_size = pool_SGE.shape[1:]
    blocks = pool_SGE.view(-1, block_tokens, *heads_and_size).index_select(0, blocks_N)
    return blocks.view(num_spans, -1, *heads_and_size).transpose(1, 2).to(like.dtype)


def _attend_decodes(q_BHE: Tensor, cache: LayerCache, decode: DecodeGather, block_tokens: int) -> Tensor:
    """The heads that share keys are rows of one small product, so nothing is repeated per query head."""
    num_spans, num_groups = q_BHE.shape[0], cache.keys_SGE.shape[1]
    keys_BGLE = _gather(cache.keys_SGE, decode.blocks_N, num_spans, block_tokens, q_BHE)
    values_BGLE = _gather(cache.values_SGE, decode.blocks_N, num_spans, block_tokens, q_BHE)
    q_BGRE = q_BHE.view(num_spans, num_groups, -1, q_BHE.shape[-1])
    out_BGRE = functional.scaled_dot_product_attention(
        q_BGRE, keys_BGLE, values_BGLE, attn_mask=decode.mask_B11L
    )
    return out_BGRE.flatten(1, 2)


def _attend_span(q_THE: Tensor, cache: LayerCache, gather: SpanGather, block_tokens: int) -> Tensor:
    keys_1GLE = _gather(cache.keys_SGE, gather.blocks_N, 1, block_tokens, q_THE)
    values_1GLE = _gather(cache.values_SGE, gather.blocks_N, 1, block_tokens, q_THE)
    q_1HTE = q_THE.transpose(0, 1)[None]
    bias_TL = None if gather.bias_TL is None else gather.bias_TL.to(q_THE.dtype)
    if bias_TL is None:
        keys_1GLE, values_1GLE = keys_1GLE[:, :, : len(q_THE)], values_1GLE[:, :, : len(q_THE)]
    out_1HTE = functional.scaled_dot_product_attention(
        q_1HTE,
        keys_1GLE,
        values_1GLE,
        attn_mask=bias_TL,
        is_causal=bias_TL is None,
        enable_gqa=True,
    )
    return out_1HTE[0].transpose(0, 1)
