"""Layers to measure kernels with: of given sizes, in a format, each in memory of its own as in a model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from weft.ops.cpu.products import Products
from weft.weights.packed import PackedLinear
from weft.weights.packing import pack


class LayerSize(NamedTuple):
    """A linear layer of which a model has one per layer, or one. `last_row_only`: it reads a sequence's last token."""

    name: str
    outputs: int
    inputs: int
    last_row_only: bool = False


class Call(NamedTuple):
    """One product: which layer's, what it reads of the weight, how many multiplications and additions it takes."""

    name: str
    compute: Callable[[], Tensor]
    weight_bytes: int
    num_operations: int


class Layers:
    """All of a model's linear layers, `num_layers` times `repeated` and once `once`, with random weights."""

    def __init__(self, repeated: Sequence[LayerSize], once: LayerSize, num_layers: int, kind: str) -> None:
        made = [(size, _random(size, kind)) for size in repeated]
        self._layers = [(size, _copy(packed)) for _ in range(num_layers) for size, packed in made]
        self._layers.append((once, _random(once, kind)))

    def calls(self, products: Products, num_rows: int, sequence_rows: int) -> list[Call]:
        """One pass over so many rows, of sequences of `sequence_rows` each."""
        stream = torch.Generator().manual_seed(0)
        inputs = {
            size: torch.randn(_rows(size, num_rows, sequence_rows), size.inputs, generator=stream).bfloat16()
            for size, _ in self._layers
        }
        return [
            Call(
                size.name,
                partial(products, inputs[size], packed),
                packed.num_bytes,
                2 * len(inputs[size]) * size.outputs * size.inputs,
            )
            for size, packed in self._layers
        ]


def _rows(size: LayerSize, num_rows: int, sequence_rows: int) -> int:
    return num_rows // sequence_rows if size.last_row_only else num_rows


def _random(size: LayerSize, kind: str) -> PackedLinear:
    stream = torch.Generator().manual_seed(0)
    weight_OI = torch.randn(size.outputs, size.inputs, generator=stream).mul_(0.02)
    return pack(weight_OI.bfloat16(), None, kind)


def _copy(packed: PackedLinear) -> PackedLinear:
    return replace(packed, blocks=packed.blocks.clone(), factors_O=packed.factors_O.clone())
