"""A backend on the meta device that writes down what each operation reads, computes and writes.

Sizes come from the tensors that the model really passes around, flops from what torch counts underneath, and
the names and layers of operations from the names under which the model asked for their weights. The positions
that attention sees come from the masks that the `torch` backend plans with. Which experts a token goes to is
drawn, because without numbers no router says it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tests.models.meta_weights import META, NamedMetaWeights
from tests.models.span_plans import SpanPlan, plan_span
from weft.contracts.formats import NumberFormat, number_format
from weft.model_specs.operations import OperandFormat, Operation, OperationKind, Size
from weft.ops.backend import AttentionPlan, PackedBatch, PagedBatch
from weft.ops.experts import Groups, Routing
from weft.ops.torch_ops import TorchOps
from weft.weights.experts import Experts
from weft.weights.linear import Linear, Table

Result = TypeVar("Result")

NORMS = {
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "feed_forward_norm",
    "q_norm": "query_norm",
    "k_norm": "key_norm",
    "norm": "final_norm",
}
PRODUCTS = {
    "q_proj": "qkv_product",
    "o_proj": "output_product",
    "gate": "router_product",
    "gate_proj": "gate_up_product",
    "down_proj": "down_product",
    "lm_head": "logits_product",
    "embed_tokens": "logits_product",
}
GROUPED_PRODUCTS = ("expert_gate_up_product", "expert_down_product")
ADDITIONS = {
    "output_product": "attention_residual_add",
    "down_product": "feed_forward_residual_add",
    "expert_down_product": "feed_forward_residual_add",
}
"""What adds the result of a product to the residual stream."""


class Moved(NamedTuple):
    """The operands of an operation, each once: `kept` and `looked_up` are state that is written and read."""

    read: Sequence[Tensor]
    written: Sequence[Tensor]
    weights: Sequence[Tensor] = ()
    kept: Sequence[Tensor] = ()
    looked_up: Sequence[Tensor] = ()


class TracingOps(TorchOps):
    """`operations`: what was computed so far. While `is_inside`, what torch computes belongs to one of them.

    `counter` must be active while the model runs. `distinct_experts`: how many experts of each layer that has some got
    a token.
    """

    name = "tracing"

    def __init__(self, weights: NamedMetaWeights, counter: FlopCounterMode) -> None:
        super().__init__(1)
        self.operations: list[Operation] = []
        self.distinct_experts: list[int] = []
        self.is_inside = False
        self._weights, self._counter = weights, counter
        self._product: tuple[str, int | None, Tensor] | None = None
        self._rotated: tuple[Tensor, Tensor] | None = None
        self._mixed: tuple[Tensor, Experts] | None = None
        self._random = Random(0)

    def embed(self, table: Table, tokens_T: Tensor) -> Tensor:
        assert isinstance(table, Tensor)
        table_VD = table
        out_TD, flops = self._count(lambda: super(TracingOps, self).embed(table_VD, tokens_T))
        sizes = {"tokens": tokens_T.shape[0], "vocabulary": table_VD.shape[0], "hidden": table_VD.shape[1]}
        with self._inside():
            rows_TD = table_VD.index_select(0, tokens_T)
        self._record("embedding", None, sizes, flops, Moved((), (out_TD,), weights=(rows_TD,)))
        return out_TD

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        out, flops = self._count(lambda: super(TracingOps, self).rms_norm(x, weight, eps))
        part, layer = self._weights.place(weight)
        sizes = {"rows": x.shape[:-1].numel(), "inputs": x.shape[-1]}
        self._record(NORMS[part], layer, sizes, flops, Moved((x,), (out,), weights=(weight,)))
        return out

    def add_rms_norm(self, x_TD: Tensor, y_TD: Tensor, weight_D: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        stream_TD, flops = self._count(lambda: x_TD + y_TD)
        assert self._product is not None
        product, layer, _ = self._product
        sizes = {"rows": stream_TD.shape[0], "outputs": stream_TD.shape[1]}
        self._record(ADDITIONS[product], layer, sizes, flops, Moved((x_TD, y_TD), (stream_TD,)))
        return stream_TD, self.rms_norm(stream_TD, weight_D, eps)

    def linear(self, x_TI: Tensor, linear: Linear) -> Tensor:
        if self._mixed is not None and linear is not self._mixed[1].router:  # a share of a grouped product
            return super().linear(x_TI, linear)
        out_TO, flops = self._count(lambda: super(TracingOps, self).linear(x_TI, linear))
        part, layer = self._weights.place(linear.weight_OI)
        weights = [each for each in (linear.weight_OI, linear.bias_O) if each is not None]
        sizes = {"rows": x_TI.shape[0], "outputs": out_TO.shape[1], "inputs": x_TI.shape[1]}
        self._record(PRODUCTS[part], layer, sizes, flops, Moved((x_TI,), (out_TO,), weights=weights))
        self._product = PRODUCTS[part], layer, out_TO
        return out_TO

    def gate(self, both_TO: Tensor) -> Tensor:
        out_TF, flops = self._count(lambda: super(TracingOps, self).gate(both_TO))
        assert self._product is not None
        name = "silu_multiply" if self._mixed is None else "expert_silu_multiply"
        sizes = {"rows": out_TF.shape[0], "outputs": out_TF.shape[1]}
        self._record(name, self._product[1], sizes, flops, Moved((both_TO,), (out_TF,)))
        return out_TF

    def experts(self, x_TD: Tensor, experts: Experts) -> Tensor:
        """Its parts below record themselves."""
        self._mixed = x_TD, experts
        with self._inside():
            out_TD = super().experts(x_TD, experts)
        self._mixed = None
        return out_TD

    def route(self, scores_TN: Tensor, num_chosen: int, sums_to_one: bool) -> Routing:
        routing, flops = self._count(
            lambda: super(TracingOps, self).route(scores_TN, num_chosen, sums_to_one)
        )
        assert self._product is not None
        sizes = {"rows": scores_TN.shape[0], "outputs": num_chosen}
        moved = Moved((scores_TN,), (routing.weights_TK,))
        self._record("expert_choice", self._product[1], sizes, flops, moved)
        return routing

    def group(self, routing: Routing, num_experts: int) -> Groups:
        """As many different experts per token as were asked for, at random."""
        num_tokens, num_chosen = routing.experts_TK.shape
        rows = Counter(
            expert
            for _ in range(num_tokens)
            for expert in self._random.sample(range(num_experts), num_chosen)
        )
        self.distinct_experts.append(len(rows))
        tokens_R = torch.empty(num_tokens * num_chosen, dtype=torch.int64, device=META)
        return Groups(tokens_R, routing.experts_TK, [rows[expert] for expert in range(num_experts)])

    def grouped_linear(self, rows_RI: Tensor, linears: Sequence[Linear], groups: Groups) -> Tensor:
        out_RO, flops = self._count(lambda: super(TracingOps, self).grouped_linear(rows_RI, linears, groups))
        assert self._product is not None
        assert self._mixed is not None
        x_TD, experts = self._mixed
        is_first = linears is experts.gate_up
        name, layer = GROUPED_PRODUCTS[not is_first], self._product[1]
        used = [linear.weight_OI for linear, size in zip(linears, groups.sizes, strict=True) if size]
        sizes = {"rows": rows_RI.shape[0], "experts": len(used)}
        sizes |= {"outputs": out_RO.shape[1], "inputs": rows_RI.shape[1]}
        moved = Moved((x_TD if is_first else rows_RI,), (out_RO,), weights=used)
        self._record(name, layer, sizes, flops, moved)
        self._product = name, layer, out_RO
        return out_RO

    def weighted_sum(self, made_RD: Tensor, routing: Routing, groups: Groups) -> Tensor:
        out_TD, flops = self._count(lambda: super(TracingOps, self).weighted_sum(made_RD, routing, groups))
        assert self._product is not None
        sizes = {"rows": out_TD.shape[0], "outputs": out_TD.shape[1]}
        self._record(
            "expert_sum", self._product[1], sizes, flops, Moved((made_RD, routing.weights_TK), (out_TD,))
        )
        return out_TD

    def rotate(self, x_THE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        """Queries come first, then keys; together they are one operation."""
        out_THE, flops = self._count(lambda: super(TracingOps, self).rotate(x_THE, cos_TE, sin_TE))
        if self._rotated is None:
            self._rotated = x_THE, out_THE
            return out_THE
        assert self._product is not None
        (first, first_out), self._rotated = self._rotated, None
        rows = sum(heads.shape[:-1].numel() for heads in (first, x_THE))
        moved = Moved((first, x_THE, cos_TE, sin_TE), (first_out, out_THE))
        sizes = {"rows": rows, "outputs": x_THE.shape[-1]}
        self._record("rotary", self._product[1], sizes, flops, moved)
        return out_THE

    def plan_attention(self, batch: PagedBatch | PackedBatch) -> AttentionPlan:
        """`batch` has its tables on the CPU, so that masks have numbers, and its pools on the meta device."""
        assert isinstance(batch, PagedBatch)
        return [plan_span(batch, row, span) for row, span in enumerate(batch.spans)]

    def attention(
        self, q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: AttentionPlan
    ) -> Tensor:
        outs = []
        for span_plan in plan:
            rows = slice(span_plan.span.first, span_plan.span.first + span_plan.span.num_units)
            with self._inside():
                outs.append(self._attend(q_THE[rows], k_TGE[rows], v_TGE[rows], layer, span_plan))
        with self._inside():
            return torch.cat(outs)

    def _attend(self, q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: SpanPlan) -> Tensor:
        out, padded_flops = self._count(
            lambda: super(TracingOps, self).attention(q_THE, k_TGE, v_TGE, layer, plan.plan)
        )
        _, keys_SGE, values_SGE = cache = plan.plan.batch.layers[layer]
        seen_TL = plan.seen_TL[cache.group]
        visible, pairs = int(seen_TL.any(0).sum()), int(seen_TL.sum())
        # Torch multiplies whole blocks and masks afterwards: the flops of one pair follow.
        assert padded_flops % seen_TL.numel() == 0
        num_new = len(plan.plan.groups[cache.group].slots_T)
        moved = Moved(
            (q_THE, k_TGE, v_TGE),
            (out,),
            kept=(keys_SGE[:num_new], values_SGE[:num_new]),
            looked_up=(keys_SGE[:visible], values_SGE[:visible]),
        )
        sizes = {"tokens": q_THE.shape[0], "visible": visible, "pairs": pairs, "heads": q_THE.shape[1]}
        sizes |= {"kv_heads": keys_SGE.shape[1], "head_dim": keys_SGE.shape[2]}
        self._record("attention", layer, sizes, padded_flops // seen_TL.numel() * pairs, moved)
        return out

    def convert(self, name: str, source: Tensor, target: Tensor) -> None:
        """The model converted numbers outside the operations."""
        sizes = {"rows": source.shape[0], "outputs": source.shape[1]}
        self._record(name, None, sizes, 0, Moved((source,), (target,)))

    @contextmanager
    def _inside(self) -> Iterator[None]:
        before, self.is_inside = self.is_inside, True
        try:
            yield
        finally:
            self.is_inside = before

    def _count(self, compute: Callable[[], Result]) -> tuple[Result, int]:
        """What torch computes, and the flops of all matrix products in it."""
        before = self._counter.get_total_flops()
        with self._inside():
            result = compute()
        return result, self._counter.get_total_flops() - before

    def _record(self, name: str, layer: int | None, sizes: dict[str, int], flops: int, moved: Moved) -> None:
        operands = {
            "weight": moved.weights,
            "input": moved.read,
            "state": [*moved.kept, *moved.looked_up],
            "output": moved.written,
        }
        operation = Operation(
            name=name,
            layer=layer,
            kind=_kind(name),
            shape=tuple(Size(*size) for size in sizes.items()),
            formats=tuple(OperandFormat(who, _format(what)) for who, what in operands.items() if what),
            flops=flops,
            weight_bytes=_bytes(moved.weights),
            read_bytes=_bytes(moved.read) + _bytes(moved.looked_up),
            written_bytes=_bytes(moved.written) + _bytes(moved.kept),
        )
        self.operations.append(operation)


def _kind(name: str) -> OperationKind:
    if name in ("embedding", "attention"):
        return OperationKind(name)
    if name in NORMS.values():
        return OperationKind.NORM
    if name in GROUPED_PRODUCTS:
        return OperationKind.GROUPED_MATMUL
    return OperationKind.MATMUL if name in PRODUCTS.values() else OperationKind.ELEMENTWISE


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _format(tensors: Sequence[Tensor]) -> NumberFormat:
    (dtype,) = dict.fromkeys(tensor.dtype for tensor in tensors)
    return number_format(str(dtype).removeprefix("torch."))
