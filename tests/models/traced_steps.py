"""One step of a spec's torch model on the meta device: the operations that it consists of, and what else it does."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from tests.models.meta_weights import META, NamedMetaWeights
from tests.models.traced_ops import TracingOps
from weft.contracts.formats import NumberFormat
from weft.executor.cache_format import CacheFormat
from weft.executor.loading import build_model
from weft.executor.state_pools import StatePools
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import ForwardWork, Operation
from weft.ops.backend import GroupTables, PagedBatch, Span

BLOCK_TOKENS = 8

ROTARY_ROWS = ["index_select", "index_select"]
"""Cosines and sines of a step's positions, looked up once for all layers: no operation, as token ids are none."""


class Outside(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class says nothing of types
    """Notes what torch computes while no operation is under way; views compute nothing."""

    def __init__(self, ops: TracingOps) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.computed: list[str] = []
        self._ops = ops

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._ops.is_inside or func.is_view:
            return result
        if func is torch.ops.aten._to_copy.default:
            self._ops.convert("logits_conversion", args[0], result)
        else:
            self.computed.append(func.overloadpacket.__name__)
        return result


class Traced(NamedTuple):
    """`operations` in order; `outside`: names of what torch computed beside them; `distinct_experts`: see
    `ForwardWork`."""

    operations: list[Operation]
    outside: list[str]
    distinct_experts: tuple[int, ...]


def trace(
    spec: ModelSpec, work: ForwardWork, state_format: NumberFormat, compute_format: NumberFormat
) -> Traced:
    """One step; weights and activations have the format in which the model computes."""
    weights = NamedMetaWeights(getattr(torch, compute_format.value))
    counter = FlopCounterMode(display=False)
    ops = TracingOps(weights, counter)
    longest = max(start + num_units for start, num_units in work.spans)
    model = build_model(spec, weights, ops, longest)
    plan = ops.plan_attention(_batch(spec, work, -(-longest // BLOCK_TOKENS), state_format))
    tokens_T = torch.empty(work.num_units, dtype=torch.int64, device=META)
    with torch.no_grad(), counter, Outside(ops) as outside:
        hidden_TD = model.forward(tokens_T, tokens_T, plan)
        if work.num_outputs:
            model.logits(hidden_TD[: work.num_outputs])
    return Traced(ops.operations, outside.computed, tuple(ops.distinct_experts))


def differences(
    model: ModelSpec,
    listing: ModelSpec,
    work: ForwardWork,
    state_format: NumberFormat = NumberFormat.BFLOAT16,
    compute_format: NumberFormat = NumberFormat.FLOAT32,
) -> list[str]:
    """Where a model does something else than a spec lists, in the order of the step."""
    traced = trace(model, work, state_format, compute_format)
    if model.experts is not None:
        work = replace(work, distinct_experts=traced.distinct_experts)
    listed = listing.operations(work, compute_format, state_format, compute_format)
    pairs = zip_longest(traced.operations, listed)
    found = [f"computed {ours}, listed {theirs}" for ours, theirs in pairs if ours != theirs]
    return found if traced.outside == ROTARY_ROWS else [*found, f"outside: {traced.outside}"]


def _batch(spec: ModelSpec, work: ForwardWork, num_blocks: int, state_format: NumberFormat) -> PagedBatch:
    count = len(spec.layer_groups)
    cache = CacheFormat(getattr(torch, state_format.value), 0)
    pools = StatePools(spec, BLOCK_TOKENS, [num_blocks] * count, [0] * count, cache, META)
    # No numbers are kept, so all spans may share their blocks.
    tables_BM = torch.arange(num_blocks).expand(len(work.spans), -1)
    groups = [GroupTables(tables_BM, group.window_tokens) for group in spec.layer_groups]
    return PagedBatch(_packed(work), groups, pools.layers, BLOCK_TOKENS)


def _packed(work: ForwardWork) -> Sequence[Span]:
    spans, first = [], 0
    for start, num_units in work.spans:
        spans.append(Span(first, start, num_units))
        first += num_units
    return spans
