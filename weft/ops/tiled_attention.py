"""Attention of the reference backend: tiles of queries against tiles of keys, both at absolute positions.

A query's tile is its position divided by `QUERY_TILE`, a key's tile its position divided by `KEY_TILE`,
whatever part of them a step computes. Keys and values come only from the cache, also those of the same
step. Tiles of keys are taken in order with a running maximum and sum (online softmax, arXiv 1805.02867,
section 3), so a token's result depends on its position and on what it sees, and on nothing else.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from weft.ops.backend import GroupTables, LayerCache, PagedBatch
from weft.ops.paged_attention import new_slots
from weft.ops.tiles import Workers

QUERY_TILE = 8
KEY_TILE = 128
ITEMS_AT_ONCE = 16
"""Tiles of queries that one thread computes at once."""
LOWEST = -1e30
"""The running maximum before any key: finite, so that a tile of which nothing is seen changes nothing."""


@dataclass(frozen=True, slots=True)
class KeyTile:
    """A tile of keys for those of a portion's items that see something of it.

    `items_N`: which items; `slots_NK`: where its keys are; `known_NK`: which exist; `mask_NQK`: which each
    query sees.
    """

    items_N: Tensor
    slots_NK: Tensor
    known_NK: Tensor
    mask_NQK: Tensor


@dataclass(frozen=True, slots=True)
class Portion:
    """Items (tiles of queries) computed together. `rows_NQ`: the packed row of each query; 0 for padding.

    `present`: which queries, counted over all items, the step computes; `out_rows`: their packed rows.
    """

    rows_NQ: Tensor
    present: Tensor
    out_rows: Tensor
    key_tiles: list[KeyTile]


@dataclass(frozen=True, slots=True)
class TiledGroup:
    """What the layers of one state group need."""

    slots_T: Tensor
    portions: list[Portion]


@dataclass(frozen=True, slots=True)
class TiledPlan:
    """A batch worked out for all layers."""

    groups: list[TiledGroup]
    batch: PagedBatch


@dataclass(frozen=True, slots=True)
class Item:
    """A tile of queries: which span's, its first position, and how many keys the span has."""

    span: int
    position: int
    num_keys: int


def plan_tiled(batch: PagedBatch) -> TiledPlan:
    """Work out items, slots and masks once per state group."""
    return TiledPlan([_plan_group(batch, group) for group in batch.groups], batch)


def _plan_group(batch: PagedBatch, group: GroupTables) -> TiledGroup:
    items = [
        Item(index, tile * QUERY_TILE, span.start + span.num_units)
        for index, span in enumerate(batch.spans)
        for tile in range(span.start // QUERY_TILE, (span.start + span.num_units - 1) // QUERY_TILE + 1)
    ]
    portions = [items[i : i + ITEMS_AT_ONCE] for i in range(0, len(items), ITEMS_AT_ONCE)]
    slots_T = new_slots(batch, group.tables_BM)
    return TiledGroup(slots_T, [_plan_portion(batch, group, portion) for portion in portions])


def _plan_portion(batch: PagedBatch, group: GroupTables, items: list[Item]) -> Portion:
    spans = [batch.spans[item.span] for item in items]
    first_N1 = torch.tensor([[item.position] for item in items])
    positions_NQ = first_N1 + torch.arange(QUERY_TILE)
    start_N1 = torch.tensor([[span.start] for span in spans])
    end_N1 = torch.tensor([[item.num_keys] for item in items])
    present_NQ = (positions_NQ >= start_N1) & (positions_NQ < end_N1)
    packed_N1 = torch.tensor([[span.first] for span in spans])
    rows_NQ = torch.where(present_NQ, packed_N1 + positions_NQ - start_N1, 0)
    lows = [
        0 if group.window_tokens is None else max(0, item.position - group.window_tokens + 1)
        for item in items
    ]
    highs = [item.position + QUERY_TILE - 1 for item in items]
    tiles = range(min(lows) // KEY_TILE, max(highs) // KEY_TILE + 1)
    chosen = [
        [n for n in range(len(items)) if lows[n] // KEY_TILE <= tile <= highs[n] // KEY_TILE]
        for tile in tiles
    ]
    key_tiles = [
        _plan_keys(batch, group, items, positions_NQ, tile, torch.tensor(members))
        for tile, members in zip(tiles, chosen, strict=True)
        if members
    ]
    present = present_NQ.flatten().nonzero()[:, 0]
    return Portion(rows_NQ, present, rows_NQ.flatten()[present], key_tiles)


def _plan_keys(
    batch: PagedBatch,
    group: GroupTables,
    items: list[Item],
    positions_NQ: Tensor,
    tile: int,
    members_N: Tensor,
) -> KeyTile:
    size = batch.block_tokens
    keys_K = torch.arange(tile * KEY_TILE, (tile + 1) * KEY_TILE)
    indexes_K = (keys_K // size).clamp(max=group.tables_BM.shape[1] - 1)
    chosen = members_N.tolist()
    blocks_NK = group.tables_BM[[items[n].span for n in chosen]][:, indexes_K]
    num_keys_N1 = torch.tensor([[items[n].num_keys] for n in chosen])
    known_NK = (keys_K < num_keys_N1) & (blocks_NK >= 0)
    slots_NK = torch.where(known_NK, blocks_NK * size + keys_K % size, 0)
    queries_NQ1 = positions_NQ[members_N][:, :, None]
    mask_NQK = known_NK[:, None] & (keys_K <= queries_NQ1)
    if group.window_tokens is not None:
        mask_NQK &= keys_K > queries_NQ1 - group.window_tokens
    return KeyTile(members_N, slots_NK, known_NK, mask_NQK)


def attend_tiled(
    q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: TiledPlan, workers: Workers
) -> Tensor:
    """Write the new keys and values to their slots, then attend: [T, H * E]."""
    cache = plan.batch.layers[layer]
    group = plan.groups[cache.group]
    cache.keys_SGE[group.slots_T] = k_TGE
    cache.values_SGE[group.slots_T] = v_TGE
    out_THE = torch.zeros_like(q_THE)
    workers.each(partial(_attend_portion, q_THE, cache, out_THE), group.portions)
    return out_THE.flatten(1)


def _attend_portion(q_THE: Tensor, cache: LayerCache, out_THE: Tensor, portion: Portion) -> None:
    """An item's queries are the rows of one product: the heads that share keys times the positions."""
    num_items, num_groups, head_dim = len(portion.rows_NQ), cache.keys_SGE.shape[1], q_THE.shape[-1]
    q_NQGRE = q_THE[portion.rows_NQ].view(num_items, QUERY_TILE, num_groups, -1, head_dim)
    q_NGPE = (q_NQGRE * head_dim**-0.5).permute(0, 2, 3, 1, 4).flatten(2, 3)
    highest_NGP1 = q_NGPE.new_full((*q_NGPE.shape[:3], 1), LOWEST)
    total_NGP1 = torch.zeros_like(highest_NGP1)
    sum_NGPE = torch.zeros_like(q_NGPE)
    for keys in portion.key_tiles:
        at = keys.items_N
        highest_NGP1[at], total_NGP1[at], sum_NGPE[at] = _take_keys(
            q_NGPE[at], cache, keys, highest_NGP1[at], total_NGP1[at], sum_NGPE[at]
        )
    out_NGRQE = (sum_NGPE / total_NGP1).view(num_items, num_groups, -1, QUERY_TILE, head_dim)
    out_NQHE = out_NGRQE.permute(0, 3, 1, 2, 4).reshape(num_items * QUERY_TILE, -1, head_dim)
    out_THE.index_copy_(0, portion.out_rows, out_NQHE.index_select(0, portion.present))


def _take_keys(
    q_NGPE: Tensor,
    cache: LayerCache,
    keys: KeyTile,
    highest_NGP1: Tensor,
    total_NGP1: Tensor,
    sum_NGPE: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Unknown keys are masked as scores; unknown values must be zeros, since nothing times NaN is NaN."""
    k_NKGE = cache.keys_SGE[keys.slots_NK]
    v_NKGE = torch.where(keys.known_NK[:, :, None, None], cache.values_SGE[keys.slots_NK], 0.0)
    scores_NGPK = _products(q_NGPE, k_NKGE.permute(0, 2, 1, 3), transposed=True)
    scores_NGRQK = scores_NGPK.view(*q_NGPE.shape[:2], -1, QUERY_TILE, KEY_TILE)
    scores_NGPK = torch.where(keys.mask_NQK[:, None, None], scores_NGRQK, -torch.inf).flatten(2, 3)
    new_highest = torch.maximum(highest_NGP1, scores_NGPK.amax(-1, keepdim=True))
    weights_NGPK = torch.exp(scores_NGPK - new_highest)
    fading_NGP1 = torch.exp(highest_NGP1 - new_highest)
    new_total = total_NGP1 * fading_NGP1 + weights_NGPK.sum(-1, keepdim=True)
    new_sum = sum_NGPE * fading_NGP1 + _products(weights_NGPK, v_NKGE.permute(0, 2, 1, 3))
    return new_highest, new_total, new_sum


def _products(a_NGPI: Tensor, b_NGIJ: Tensor, *, transposed: bool = False) -> Tensor:
    """Matrix products of one fixed shape, as many as there are items and groups."""
    right = b_NGIJ.flatten(0, 1)
    product = torch.bmm(a_NGPI.flatten(0, 1), right.transpose(1, 2) if transposed else right)
    return product.view(*a_NGPI.shape[:3], -1)
