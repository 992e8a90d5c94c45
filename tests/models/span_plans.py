"""Plans of the `torch` backend for each span alone, with the positions that its units see."""

from typing import NamedTuple

import torch
from torch import Tensor

from tests.models.meta_weights import META
from weft.ops.backend import GroupTables, PagedBatch, Span
from weft.ops.paged_attention import GroupPlan, PagedPlan, plan_paged


class SpanPlan(NamedTuple):
    """One span alone: its plan without numbers, and per state group which positions its units see: [units, L]."""

    span: Span
    plan: PagedPlan
    seen_TL: list[Tensor]


def plan_span(batch: PagedBatch, row: int, span: Span) -> SpanPlan:
    """`batch` has its tables on the CPU, so that masks have numbers."""

    def alone(device: torch.device) -> PagedPlan:
        groups = [
            GroupTables(group.tables_BM[row : row + 1].to(device), group.window_tokens)
            for group in batch.groups
        ]
        spans = [Span(0, span.start, span.num_units)]
        return plan_paged(PagedBatch(spans, groups, batch.layers, batch.block_tokens))

    seen_TL = [_mask(group).reshape(span.num_units, -1) for group in alone(torch.device("cpu")).groups]
    return SpanPlan(span, alone(META), seen_TL)


def _mask(group: GroupPlan) -> Tensor:
    if group.decodes:
        return group.decodes[0].mask_B11L
    (gather,) = group.spans
    if gather.bias_TL is None:
        size = gather.span.num_units
        return torch.ones(size, size, dtype=torch.bool).tril()
    return gather.bias_TL == 0
