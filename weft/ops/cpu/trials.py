"""Layers to measure kernels with: of given sizes, in a format, each in memory of its own as in a model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from weft.ops.cpu.products import Products
from weft.weights.huge_pages import empty_in_huge_pages
from weft.weights.packed import PackedLinear
from weft.weights.packing import pack

if TYPE_CHECKING:
    from weft.ops.cpu._kernels import Product


class LayerSize(NamedTuple):
    """A linear layer of which a model has one per layer, or one. `last_row_only`: it reads a sequence's last token."""

    name: str
    outputs: int
    inputs: int
    last_row_only: bool = False


class Call(NamedTuple):
    """One product: which layer's, what it reads of the weight, how many multiplications and additions it takes."""

    name: str
    weight_bytes: int
    num_operations: int


class Pass:
    """Products one after the other, as a step does them, each over `rows` rows of random activations."""

    def __init__(self, products: Products, layers: "Sequence[tuple[LayerSize, PackedLinear, int]]") -> None:
        self.calls = [
            Call(size.name, packed.num_bytes, 2 * rows * size.outputs * size.inputs)
            for size, packed, rows in layers
        ]
        self._products = products
        self._tensors: list[Tensor] = []
        self._prepared = [self._prepare(*layer) for layer in layers]

    def times(self) -> list[float]:
        """Seconds of each, without Python in between."""
        return self._products.engine.times_of(self._prepared)

    def _prepare(self, size: LayerSize, packed: PackedLinear, rows: int) -> "Product":
        stream = torch.Generator().manual_seed(0)
        x_TI = torch.randn(rows, size.inputs, generator=stream).bfloat16()
        y_TO = torch.empty(rows, size.outputs, dtype=x_TI.dtype)
        self._tensors += [x_TI, y_TO, packed.blocks, packed.factors_O]
        return self._products.product(x_TI, packed, y_TO)


class Layers:
    """All of a model's linear layers, `num_layers` times `repeated` and once `once`, with random weights."""

    def __init__(self, repeated: Sequence[LayerSize], once: LayerSize, num_layers: int, kind: str) -> None:
        made = [(size, _random(size, kind)) for size in repeated]
        self._layers = [(size, _copy(packed)) for _ in range(num_layers) for size, packed in made]
        self._layers.append((once, _random(once, kind)))

    def make_pass(self, products: Products, num_rows: int, sequence_rows: int) -> Pass:
        """One pass over so many rows, of sequences of `sequence_rows` each."""
        return Pass(
            products,
            [(size, packed, _rows(size, num_rows, sequence_rows)) for size, packed in self._layers],
        )


def _rows(size: LayerSize, num_rows: int, sequence_rows: int) -> int:
    return num_rows // sequence_rows if size.last_row_only else num_rows


def _random(size: LayerSize, kind: str) -> PackedLinear:
    stream = torch.Generator().manual_seed(0)
    weight_OI = torch.randn(size.outputs, size.inputs, generator=stream).mul_(0.02)
    return pack(weight_OI.bfloat16(), None, kind)


def _copy(packed: PackedLinear) -> PackedLinear:
    blocks = empty_in_huge_pages(packed.blocks.shape, packed.blocks.dtype).copy_(packed.blocks)
    return replace(packed, blocks=blocks, factors_O=packed.factors_O.clone())
