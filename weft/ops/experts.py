"""Sending tokens to experts and back: the parts of `Ops.experts` that are no matrix product."""

from typing import NamedTuple

import torch
from torch import Tensor

from weft.ops.tiles import join, tile, tile_starts


class Routing(NamedTuple):
    """Each token's experts, ascending by index, and their weights."""

    experts_TK: Tensor
    weights_TK: Tensor


class Groups(NamedTuple):
    """The rows that experts compute, those of one expert side by side.

    `tokens_R`: the token of each row. `places_TK`: the rows of each token, in the order of its experts. `sizes`: how
    many rows each expert has.
    """

    tokens_R: Tensor
    places_TK: Tensor
    sizes: list[int]


def route(scores_TN: Tensor, num_chosen: int, sums_to_one: bool) -> Routing:
    """The first experts by a softmax in float32; among equals, those of the lower index."""
    shares_TN = scores_TN.float().softmax(-1)
    ranked_TN, order_TN = shares_TN.sort(dim=-1, descending=True, stable=True)
    weights_TK = ranked_TN[:, :num_chosen]
    if sums_to_one:
        weights_TK = weights_TK / weights_TK.sum(-1, keepdim=True)
    experts_TK, ascending_TK = order_TN[:, :num_chosen].sort(-1)
    return Routing(experts_TK, weights_TK.gather(1, ascending_TK).to(scores_TN.dtype))


def route_by_tile(scores_TN: Tensor, num_chosen: int, sums_to_one: bool) -> Routing:
    """As `route`, in tiles of one shape, so that a token's weights do not depend on how many others there are."""
    num_rows = scores_TN.shape[0]
    parts = [route(tile(scores_TN, start), num_chosen, sums_to_one) for start in tile_starts(num_rows)]
    return Routing(*(join(same_field, num_rows) for same_field in zip(*parts, strict=True)))


def group_by_expert(experts_TK: Tensor, num_experts: int) -> Groups:
    """Rows sorted by expert, and by token within an expert."""
    chosen_R = experts_TK.flatten()
    order_R = chosen_R.argsort(stable=True)
    places_R = torch.empty_like(order_R)
    places_R[order_R] = torch.arange(len(order_R), device=order_R.device)
    sizes = chosen_R.bincount(minlength=num_experts).tolist()
    return Groups(order_R // experts_TK.shape[1], places_R.view_as(experts_TK), sizes)


def weighted_sum(rows_RD: Tensor, weights_TK: Tensor, places_TK: Tensor) -> Tensor:
    """Each token's rows times their weights, added one after the other: [T, D]."""
    columns = zip(places_TK.unbind(1), weights_TK.unbind(1), strict=True)
    first, *others = (
        rows_RD.index_select(0, places_T) * weights_T[:, None] for places_T, weights_T in columns
    )
    return sum(others, start=first)
