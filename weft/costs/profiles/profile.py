"""A profile: what was measured of a device, as `KernelRatios`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from weft.contracts.formats import AnyFormat, NarrowFormat, NumberFormat
from weft.costs.kernel_ratios import AttentionCorrections, Correction
from weft.costs.profiles.interpolation import Plane, Point, Surface
from weft.costs.profiles.points import (
    COLLECTIVES,
    GRAPH_BYTES,
    Family,
    compact_point,
    experts_point,
    product_point,
)
from weft.hardware.cluster import Cluster
from weft.model_specs.operations import Operation, OperationKind

PLAIN = Correction(0.0, 1.0)
"""Of what nobody measured: the roofline as it is."""

PART_OF_ANOTHER = Correction(0.0, 0.0)
"""Of what runs inside another kernel, or was measured with it."""

FUSED_ADD = 2.0 / 3.0
"""A residual addition moves three operands; done by the norm that follows it, it moves two of them less one that the
norm reads anyway, so both together move four operands and not five."""

ENOUGH_BLOCKS = 0.8 * 2
"""Of key-value heads of all sequences, per unit of the device: fewer are split, so that units share the keys of each
(FlashAttention 2, `num_splits_heuristic` in flash_api.cpp, which counts two of its blocks per unit)."""

_WITH_EXPERTS = ("expert_silu_multiply", "expert_sum")


class AttentionTables(NamedTuple):
    """`AttentionCorrections` from the ratios of one shape of heads; None: nobody measured. `unsplit_sequences`: so many
    fill the device, so that none is split."""

    singles: tuple[float, float, Plane] | None
    of_chunks: tuple[float, float, Plane] | None
    beside: tuple[float, float, Plane] | None = None
    unsplit_sequences: float | None = None

    def single(self, num_sequences: int, visible_tokens: float) -> Correction:
        """See `AttentionCorrections`."""
        if self.singles is None:
            return PLAIN
        start_s, scale, plane = self.singles
        return Correction(start_s, plane.at(scale * num_sequences, visible_tokens / num_sequences))

    def single_beside_chunks(self, num_sequences: int, visible_tokens: float) -> Correction:
        """See `AttentionCorrections`: as without chunks, where nobody measured both together."""
        if self.beside is None:
            return self.single(num_sequences, visible_tokens)
        start_s, scale, plane = self.beside
        return Correction(start_s, plane.at(scale * num_sequences, visible_tokens / num_sequences))

    def waits_for_longest(self, num_sequences: int, beside_chunks: bool) -> bool:
        """See `AttentionCorrections`. FlashAttention 2 never splits a sequence beside chunks."""
        if self.beside is None or self.unsplit_sequences is None:
            return False
        return beside_chunks or num_sequences >= self.unsplit_sequences

    def chunks(self, num_chunks: int, num_tokens: int, visible_tokens: float, pairs: float) -> Correction:
        """See `AttentionCorrections`; tokens of all chunks run in parallel, each with as many keys as the mean."""
        if self.of_chunks is None:
            return PLAIN
        start_s, scale, plane = self.of_chunks
        return Correction(start_s, plane.at(scale * num_tokens, pairs / num_tokens))


@dataclass(frozen=True, slots=True)
class Profile:
    """`KernelRatios` of a device from its surfaces by name.

    `compact`: whether they have the coordinates of `compact_point`. Operations between nodes, and kinds of kernels
    without a surface, keep their roofline. A format without one has that of 16 bits.
    """

    profile: str
    relative_error: float | None
    surfaces: Mapping[str, Surface]
    cluster: Cluster
    compact: bool

    def of_operation(self, operation: Operation) -> Correction:
        """See `KernelRatios`."""
        return _BY_KIND[operation.kind](self, operation)

    def of_attention(self, example: Operation) -> AttentionCorrections:
        """See `KernelRatios`."""
        shape, state = dict(example.shape), dict(example.formats)["state"]
        heads, kv_heads = shape["heads"], shape["kv_heads"]
        at = (float(shape["head_dim"]), heads / kv_heads, float(kv_heads))
        units = self.cluster.device.num_multiprocessors
        return AttentionTables(
            self._plane(Family.SINGLE_ATTENTION, state, at, kv_heads),
            self._plane(Family.CHUNK_ATTENTION, state, at, heads),
            self._plane(Family.ATTENTION_BESIDE, state, at, kv_heads),
            None if units is None else ENOUGH_BLOCKS * units / kv_heads,
        )

    def _plane(
        self, family: Family, state: AnyFormat, at: Point, parallel: int
    ) -> tuple[float, float, Plane] | None:
        """Start, what a sequence or token counts along the first coordinate that is left, ratios."""
        surface = self._surface(family, state)
        if surface is None:
            return None
        if self.compact:
            return surface.start_s, float(parallel), surface.plane(at[1:2])
        return surface.start_s, 1.0, surface.plane(at)

    def _surface(self, family: Family, number: AnyFormat) -> Surface | None:
        found = self.surfaces.get(family.surface(number))
        return found or self.surfaces.get(family.surface(NumberFormat.BFLOAT16))

    def _at(self, family: Family, surface: Surface | None, point: Point) -> Correction:
        if surface is None:
            return PLAIN
        place = compact_point(family, point) if self.compact else point
        return Correction(surface.start_s, surface.at(place))

    def _product(self, operation: Operation) -> Correction:
        surface = self._surface(Family.PRODUCT, dict(operation.formats)["input"])
        return self._at(Family.PRODUCT, surface, product_point(operation))

    def _experts(self, operation: Operation) -> Correction:
        """Weights that are narrower than their inputs are widened as they are read, by other kernels."""
        formats = dict(operation.formats)
        surface = self._surface(Family.EXPERTS, formats["input"])
        if not isinstance(formats["input"], NarrowFormat):
            surface = self.surfaces.get(Family.WIDENED_EXPERTS.surface(formats["weight"])) or surface
        return self._at(Family.EXPERTS, surface, experts_point(operation))

    def _norm(self, operation: Operation) -> Correction:
        """With the residual addition before it; norms of keys run with those of queries."""
        if operation.name in ("query_norm", "key_norm"):
            found = self._of_bytes(Family.HEAD_NORM, operation.moved_bytes)
            return found if operation.name == "query_norm" else found._replace(start_s=0.0)
        return self._of_bytes(Family.NORM, 2 * operation.moved_bytes)

    def _elementwise(self, operation: Operation) -> Correction:
        name, moved_bytes = operation.name, operation.moved_bytes
        if name in _WITH_EXPERTS or name.endswith("_input_quantization"):
            return PART_OF_ANOTHER
        if name == "rotary":
            return self._of_bytes(Family.ROTARY, moved_bytes)
        if name == "logits_conversion":
            return self._of_bytes(Family.SAMPLING, moved_bytes)
        if name.endswith("residual_add"):
            ratio = self._of_bytes(Family.NORM, 2 * FUSED_ADD * moved_bytes).ratio
            return Correction(0.0, FUSED_ADD * ratio)
        return self._of_bytes(Family.ACTIVATION, moved_bytes)

    def _embedding(self, operation: Operation) -> Correction:
        return self._of_bytes(Family.EMBEDDING, operation.moved_bytes)

    def _of_bytes(self, family: Family, moved_bytes: float) -> Correction:
        return self._at(family, self.surfaces.get(family.surface()), (moved_bytes,))

    def _collective(self, operation: Operation) -> Correction:
        communication = operation.communication
        assert communication is not None, "a collective communicates"
        ranks, num_bytes = communication.num_ranks, communication.num_bytes
        if ranks == 1 or ranks > self.cluster.node.num_devices:
            return PLAIN
        family = COLLECTIVES[operation.kind]
        surface = self.surfaces.get(family.surface())
        if family is Family.ALL_REDUCE and (num_bytes > GRAPH_BYTES or surface is None):
            surface = self.surfaces.get(Family.LARGE_ALL_REDUCE.surface())
        return self._at(family, surface, (float(ranks), float(max(num_bytes, 1))))

    def _send(self, operation: Operation) -> Correction:
        return PLAIN


_BY_KIND: dict[OperationKind, Callable[[Profile, Operation], Correction]] = {
    OperationKind.EMBEDDING: Profile._embedding,
    OperationKind.MATMUL: Profile._product,
    OperationKind.GROUPED_MATMUL: Profile._experts,
    OperationKind.NORM: Profile._norm,
    OperationKind.ELEMENTWISE: Profile._elementwise,
    OperationKind.ALL_REDUCE: Profile._collective,
    OperationKind.ALL_GATHER: Profile._collective,
    OperationKind.ALL_TO_ALL: Profile._collective,
    OperationKind.SEND: Profile._send,
}
