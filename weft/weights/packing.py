"""Packing by the name of a format, and weights that are packed as a model asks for them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import A16, NO_QUANTIZATION, QUANTIZATIONS
from weft.weights.gguf_blocks import Blocks, pack_blocks
from weft.weights.huge_pages import empty_in_huge_pages
from weft.weights.linear import Table
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
    if kind != NO_QUANTIZATION:
        packed = _quantised(weight_OI, bias_O, packed_kind(kind))
        return packed.with_float_activations() if kind.endswith(A16) else packed
    if weight_OI.dtype not in (torch.bfloat16, torch.float32):
        raise ConfigurationError(
            f"weights are {weight_OI.dtype}; the cpu backend computes in 'bfloat16' or 'float32': set dtype"
        )
    return pack_floats(weight_OI, bias_O)


def _quantised(weight_OI: Tensor, bias_O: Tensor | None, kind: str) -> PackedLinear:
    outputs, inputs = weight_OI.shape
    rows = max(1, SLICE_NUMBERS // (max(1, inputs) * COLUMNS)) * COLUMNS
    template = _quantise_rows(weight_OI.new_zeros(COLUMNS, inputs), kind)
    parts = _room(template, -(-outputs // COLUMNS))
    _quantise_slices(torch.split(weight_OI, rows) if outputs else [], kind, parts)
    return template.of_parts(outputs, inputs, None if bias_O is None else bias_O.float().contiguous(), parts)


def _room(template: PackedLinear, num_blocks: int) -> dict[str, Tensor]:
    """For the parts of a layer of so many blocks, of which `template` has one."""
    return {
        name: empty_in_huge_pages((len(part) * num_blocks, *part.shape[1:]), part.dtype)
        for name, part in template.parts.items()
    }


def _quantise_slices(slices: Sequence[Tensor], kind: str, parts: Mapping[str, Tensor]) -> None:
    """Into a layer's parts. With as many threads as torch may use, but each on a slice of its own: the threads of one
    operation wait for each other, and where another process is busy as well they took 20 times as long."""

    def quantise(number: int) -> None:
        made = _quantise_rows(slices[number], kind)
        for name, part in made.parts.items():
            # All slices but the last are as long as the first.
            start = number * len(slices[0]) // COLUMNS * (len(part) // len(made.blocks))
            parts[name][start : start + len(part)] = part

    num_threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(num_threads, "weft-packing", torch.set_num_threads, (1,)) as threads:
            list(threads.map(quantise, range(len(slices))))
    finally:
        torch.set_num_threads(num_threads)  # the threads have changed what new threads begin with


def _quantise_rows(weight_OI: Tensor, kind: str) -> PackedLinear:
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
        self._plain = torch.empty(0, dtype=self.dtype)

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
        """Layers with the same input as one, packed. Integers that are stored as such keep their numbers where no other
        kind is asked for."""
        stored = self._stored(names, out_features, in_features)
        if stored:
            biases = [
                self.read(f"{name}.bias", (size,))
                for name, size in zip(names, out_features, strict=True)
                if bias
            ]
            return pack_blocks(stored, torch.cat(biases) if biases else None, order_O)
        weight_OI = self._room(sum(out_features), in_features)
        bias_O = torch.empty(len(weight_OI), dtype=self.dtype) if bias else None
        start = 0
        for name, size in zip(names, out_features, strict=True):
            end = start + size
            self._source.read_into(f"{name}.weight", weight_OI[start:end])
            if bias_O is not None:
                self._source.read_into(f"{name}.bias", bias_O[start:end])
            start = end
        if order_O is not None:
            weight_OI, bias_O = weight_OI[order_O], None if bias_O is None else bias_O[order_O]
        return pack(weight_OI, bias_O, kind_of(names, self.kind))

    def _stored(self, names: Sequence[str], out_features: Sequence[int], in_features: int) -> list[Blocks]:
        """All of these as they are stored; empty where not all are integers, or another kind is asked for."""
        if self.kind != NO_QUANTIZATION:
            return []
        shapes = [(size, in_features) for size in out_features]
        found = [
            self._source.blocks(f"{name}.weight", shape) for name, shape in zip(names, shapes, strict=True)
        ]
        return [each for each in found if each is not None] if None not in found else []

    def tied(self, name: str, shape: tuple[int, int]) -> tuple[Table, PackedLinear]:
        """A layer that keeps its numbers is the table, too; beside one of integers there is the tensor itself."""
        stored = self._stored([name.removesuffix(".weight")], [shape[0]], shape[1])
        if stored:
            return self.read(name, shape), pack_blocks(stored)
        table_VD = self.read(name, shape)
        head = pack(table_VD, None, self.kind)
        return (head if self.kind == NO_QUANTIZATION else table_VD), head

    def _room(self, outputs: int, inputs: int) -> Tensor:
        """For a layer until it is packed: the same again where that is large enough. Were memory for each taken anew,
        what stays of one would lie between what was given back, and the process would keep half as much again."""
        if len(self._plain) < outputs * inputs:
            self._plain = torch.empty(0, dtype=self.dtype)
            self._plain = torch.empty(outputs * inputs, dtype=self.dtype)
        return self._plain[: outputs * inputs].view(outputs, inputs)


def kind_of(names: Sequence[str], kind: str) -> str:
    """In what format layers are packed: what routes tokens to experts keeps its numbers, which are few and decide
    much."""
    return NO_QUANTIZATION if names[0].endswith(ROUTER) else kind
