"""Packing by the name of a format, and weights that are packed as a model asks for them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import A16, NO_QUANTIZATION, QUANTIZATIONS
from weft.weights.packed import (
    COLUMNS,
    PackedLinear,
    pack_floats,
    pack_quantised,
    quantise_int4,
    quantise_int8,
)
from weft.weights.source import WeightSource

ROUTER = ".mlp.gate"
"""How the layer is called that scores experts."""
INT4_GROUP = 32
"""Inputs that share a scale where nothing else is asked for."""
SLICE_NUMBERS = 1 << 18
"""About so many weights are packed at once: what is needed in float64 meanwhile is small beside a layer, and stays
in a cache. Measured on one core, int4 takes a third of the time of 2^22 and more at once."""


def pack(weight_OI: Tensor, bias_O: Tensor | None, kind: str) -> PackedLinear:
    """A layer for the `cpu` backend. Raises `ConfigurationError` for a kind that is none of `QUANTIZATIONS`, and for
    weights in float16 that are to stay as they are."""
    check_kind(kind)
    outputs, inputs = weight_OI.shape
    rows = max(1, SLICE_NUMBERS // (max(1, inputs) * COLUMNS)) * COLUMNS
    slices = _pack_slices(torch.split(weight_OI, rows) if outputs else [weight_OI], packed_kind(kind))
    parts = {name: torch.cat([each.parts[name] for each in slices]) for name in slices[0].parts}
    bias_O = None if bias_O is None else bias_O.float().contiguous()
    packed = slices[0].of_parts(outputs, inputs, bias_O, parts)
    return packed.with_float_activations() if kind.endswith(A16) else packed


def _pack_slices(slices: Sequence[Tensor], kind: str) -> list[PackedLinear]:
    """With as many threads as torch may use, but each on a slice of its own: the threads of one operation wait for each
    other, and where another process is busy as well they took 20 times as long."""
    num_threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(num_threads, "weft-packing", torch.set_num_threads, (1,)) as threads:
            return list(threads.map(lambda rows_OI: _pack_rows(rows_OI, kind), slices))
    finally:
        torch.set_num_threads(num_threads)  # the threads have changed what new threads begin with


def _pack_rows(weight_OI: Tensor, kind: str) -> PackedLinear:
    if kind == "none":
        if weight_OI.dtype not in (torch.bfloat16, torch.float32):
            raise ConfigurationError(
                f"weights are {weight_OI.dtype}; the cpu backend computes in 'bfloat16' or 'float32': set dtype"
            )
        return pack_floats(weight_OI, None)
    name, _, group = kind.partition("-")
    if name == "int8":
        return pack_quantised(quantise_int8(weight_OI), 8, None, weight_OI.shape[1])
    return pack_quantised(quantise_int4(weight_OI, int(group or INT4_GROUP)), 4, None, weight_OI.shape[1])


def canonical(kind: str) -> str:
    """The one name of a kind that has two."""
    return kind.replace("int4", f"int4-{INT4_GROUP}") if packed_kind(kind) == "int4" else kind


def packed_kind(kind: str) -> str:
    """In what format the weights of a kind are packed, whatever becomes of activations."""
    return kind.removesuffix(A16)


def check_kind(kind: str) -> None:
    """Raises `ConfigurationError` for a kind that is none of `QUANTIZATIONS`."""
    if kind not in QUANTIZATIONS:
        raise ConfigurationError(f"quantization is {kind!r}; choose from {', '.join(QUANTIZATIONS)}")


class PackedWeights(WeightSource):
    """Another source's weights, linear layers packed one by one as they are read."""

    def __init__(self, source: WeightSource, kind: str) -> None:
        check_kind(kind)
        self._source, self.kind = source, kind
        self.dtype, self.device = source.dtype, source.device

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor as it is."""
        return self._source.read(name, shape)

    def finish(self, tied: Mapping[str, str] | None = None) -> None:
        """As of the other source."""
        self._source.finish(tied)

    def linear(
        self,
        names: Sequence[str],
        out_features: Sequence[int],
        in_features: int,
        *,
        bias: bool = False,
        order_O: Tensor | None = None,
    ) -> PackedLinear:
        """Layers with the same input as one, packed."""
        plain = self._source.linear(names, out_features, in_features, bias=bias, order_O=order_O)
        return pack(plain.weight_OI, plain.bias_O, kind_of(names, self.kind))

    def linear_of(self, weight_OI: Tensor) -> PackedLinear:
        """A packed copy."""
        return pack(weight_OI, None, self.kind)


def kind_of(names: Sequence[str], kind: str) -> str:
    """In what format layers are packed: what routes tokens to experts keeps its numbers, which are few and decide
    much."""
    return NO_QUANTIZATION if names[0].endswith(ROUTER) else kind
