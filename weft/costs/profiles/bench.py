"""What the roofline says of kernels that somebody measured, each with its place on a surface.

Kernels are built with the builder that models list their operations with, so both count flops and bytes alike.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from weft.contracts.formats import AnyFormat, NarrowFormat, NumberFormat
from weft.costs.profiles.interpolation import Point
from weft.costs.profiles.points import experts_point, product_point
from weft.costs.roofline import Ceilings, input_format
from weft.costs.topology import Topology
from weft.hardware.catalogue import MOST_DEVICES_PER_NODE
from weft.hardware.cluster import Cluster
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.linear_operations import grouped_linear, linear
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Formats, Operation, OperationKind, Size
from weft.model_specs.plan import Plan
from weft.model_specs.quantization import QUANTIZATIONS

_BFLOAT16 = NumberFormat.BFLOAT16
WIDENED = "widened float4"
"""Weights of 4 bits that a kernel widens as it reads them."""

_QUANTIZATIONS = {
    "bfloat16": None,
    "float8": QUANTIZATIONS["fp8"],
    "float4": QUANTIZATIONS["nvfp4"],
    WIDENED: QUANTIZATIONS["w4a16"],
}
_STATES: dict[str, AnyFormat] = {"bfloat16": _BFLOAT16, "float8": NarrowFormat.FLOAT8}


class Measured(NamedTuple):
    """A measurement. `kernels`: how many of the operations that it covers start on their own."""

    point: Point
    roofline_s: float
    seconds: float
    kernels: int = 1


class Heads(NamedTuple):
    """Of the attention of one rank."""

    heads: int
    kv_heads: int
    head_dim: int

    @property
    def point(self) -> Point:
        """The first coordinates of attention."""
        return float(self.head_dim), self.heads / self.kv_heads, float(self.kv_heads)


class ExpertLayer(NamedTuple):
    """The experts of one layer, and how ranks share them: `tp` cuts each, `ep` gives out whole ones."""

    hidden: int
    inner: int
    experts: int
    chosen: int
    tp: int = 1
    ep: int = 1


@dataclass(frozen=True)
class Bench:
    """Kernels on devices of a cluster, in one format (a name of `format_class`, or `WIDENED`)."""

    cluster: Cluster
    number: str = "bfloat16"

    @cached_property
    def _ceilings(self) -> Ceilings:
        return Ceilings(self.cluster.device)

    @cached_property
    def _build(self) -> OperationBuilder:
        return OperationBuilder(Formats(_BFLOAT16, _BFLOAT16, _BFLOAT16, _QUANTIZATIONS[self.number]))

    def product(self, rows: int, outputs: int, inputs: int, seconds: float) -> Measured:
        """A product with one matrix; the narrowing of its inputs, where they are narrow, was measured with it."""
        *_, operation = linear(self._build, "product", 0, rows, outputs, inputs)
        return Measured(product_point(operation), self._of(operation), seconds)

    def experts(
        self, layer: ExpertLayer, tokens: int, seconds: float, distinct: int | None = None
    ) -> Measured:
        """Both products of a layer's experts; `distinct`: how many get a row, their expectation where None."""
        inner, rows = layer.inner // layer.tp, -(-tokens * layer.chosen // layer.ep)
        if distinct is None:
            spec = ExpertsSpec(layer.experts, layer.chosen, layer.inner, sums_to_one=True)
            distinct = min(max(1, round(spec.expected_distinct(tokens) / layer.ep)), rows)
        fetched = min(rows, tokens)
        *_, first = grouped_linear(
            self._build, "expert_gate_up_product", 0, rows, 2 * inner, layer.hidden, distinct, fetched
        )
        *_, second = grouped_linear(
            self._build, "expert_down_product", 0, rows, layer.hidden, inner, distinct, rows
        )
        return Measured(experts_point(first), self._of(first) + self._of(second), seconds, kernels=2)

    def single_attention(self, heads: Heads, sequences: int, context: int, seconds: float) -> Measured:
        """Of a new token for each sequence, which sees `context` tokens."""
        roofline_s = self._attention_s(heads, sequences, sequences * context, sequences * context)
        return Measured((*heads.point, float(sequences), float(context)), roofline_s, seconds)

    def chunk_attention(
        self, heads: Heads, chunks: int, tokens: int, context: int, seconds: float
    ) -> Measured:
        """Of chunks of so many tokens each, after `context` ones."""
        pairs = chunks * (tokens * context + tokens * (tokens + 1) // 2)
        roofline_s = self._attention_s(heads, chunks * tokens, chunks * (context + tokens), pairs)
        point = (*heads.point, float(chunks * tokens), pairs / (chunks * tokens))
        return Measured(point, roofline_s, seconds)

    def _attention_s(self, heads: Heads, tokens: int, visible: int, pairs: int) -> float:
        query_size = heads.heads * heads.head_dim
        state_size = 2 * heads.kv_heads * heads.head_dim
        formats = Formats(_BFLOAT16, _STATES[self.number], _BFLOAT16)
        operation = OperationBuilder(formats).attention(
            0,
            (Size("tokens", tokens),),
            flops=2 * 2 * pairs * query_size,
            read=(tokens * (query_size + state_size), visible * state_size),
            written=(tokens * query_size, tokens * state_size),
        )
        return self._of(operation)

    def collective(self, kind: OperationKind, ranks: int, numbers: int, seconds: float) -> Measured:
        """Of 16-bit numbers within a node."""
        axis = Axis.EXPERT if kind is OperationKind.ALL_TO_ALL else Axis.TENSOR
        operation = self._build.communication(kind, "collective", 0, (axis, ranks), numbers)
        assert operation.communication is not None
        node = replace(self.cluster.node, num_devices=MOST_DEVICES_PER_NODE)
        roofline_s = Topology(Cluster(node), Plan(tp=ranks)).seconds(operation)
        return Measured((float(ranks), float(operation.communication.num_bytes)), roofline_s, seconds)

    def moving(self, moved_bytes: int, seconds: float) -> Measured:
        """Of a kernel that memory alone bounds."""
        return Measured((float(moved_bytes),), self._ceilings.seconds(0, moved_bytes, _BFLOAT16), seconds)

    def _of(self, operation: Operation) -> float:
        return self._ceilings.seconds(operation.flops, operation.moved_bytes, input_format(operation))
