"""Layers, activations and the float64 results that products are compared with."""

from typing import NamedTuple

import torch
from torch import Tensor

from weft.contracts.options import A16
from weft.weights.packed import (
    PackedFormat,
    PackedLinear,
    Quantised,
    pack_floats,
    pack_quantised,
    quantise_int4,
    quantise_int8,
)

HALF_ULP = 2.0**-24
"""Of float32, as a share of the result."""
HALF_ULP_NARROW = 2.0**-8
HALF_OF_SMALLEST = 2.0**-150
TINY = 2.0**-126
"""Below this float32 loses digits: results may be off by so much whatever their size."""
MOST_OF_A_PRODUCT = 130
"""A denormal number times an integer of a weight, and the sum that it is added to."""

INTEGERS = ("int8", "int4-32", "int4-64", "int4-128")
MIXED = tuple(f"{kind}{A16}" for kind in INTEGERS)
"""The same integers, by activations as they are."""
FORMATS = (*INTEGERS, *MIXED, "bfloat16", "float32")


class Example(NamedTuple):
    """A packed layer and what it stands for: `weight_OI` in float64."""

    packed: PackedLinear
    weight_OI: Tensor
    quantised: Quantised | None

    @property
    def shift(self) -> Tensor:
        """In float64; zeros where there is none."""
        bias_O = self.packed.bias_O
        return torch.zeros(len(self.weight_OI)).double() if bias_O is None else bias_O.double()


def example(kind: str, weight_OI: Tensor, bias_O: Tensor | None = None) -> Example:
    """A weight in a format named as in `FORMATS`."""
    name, _, group = kind.removesuffix(A16).partition("-")
    inputs = weight_OI.shape[1]
    if name in ("bfloat16", "float32"):
        stored_OI = weight_OI.to(getattr(torch, name))
        return Example(pack_floats(stored_OI, bias_O), stored_OI.double(), None)
    quantised = quantise_int8(weight_OI) if name == "int8" else quantise_int4(weight_OI, int(group))
    packed = pack_quantised(quantised, int(name[3:]), bias_O, inputs)
    if kind.endswith(A16):
        packed = packed.with_float_activations()
    return Example(packed, quantised.values()[:, :inputs], quantised)


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Normal numbers."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def expected(made: Example, x_TI: Tensor) -> Tensor:
    """x W^T + b in float64, of the activations as they are."""
    return x_TI.double() @ made.weight_OI.T + made.shift


def magnitudes(made: Example, x_TI: Tensor) -> Tensor:
    """|x| |W|^T + |b|: what errors are shares of."""
    return x_TI.double().abs() @ made.weight_OI.abs().T + made.shift.abs()


def bound(made: Example, x_TI: Tensor) -> Tensor:
    """How far a result may be from `expected`.

    Floats: a rounding per input and one for the bias (two per pair where pairs are multiplied). Integers: half a step
    of int8 per input, and a rounding per group and five more; scales of rows below 2^-119 are denormal numbers, and
    off by half of the smallest. In bfloat16 the result is rounded once more. Activations within a rounding of the
    middle between two steps may go either way: a thousandth of a step more. Integers by activations as they are: a
    rounding per input of a group, and one per group and four more; denormal numbers may be taken as zeros before
    they are scaled.
    """
    sizes_TO = magnitudes(made, x_TI)
    if made.quantised is None:
        error_TO = sizes_TO * (2 * x_TI.shape[1] + 2) * HALF_ULP
    elif made.packed.format in (PackedFormat.INT4_A16, PackedFormat.INT8_A16):
        roundings = made.packed.group_inputs + made.quantised.scales_OG.shape[1] + 4
        steps_O = made.quantised.scales_OG.double().abs().amax(1) * made.quantised.factors_O.double()
        error_TO = (
            sizes_TO * roundings * HALF_ULP + TINY * MOST_OF_A_PRODUCT * made.packed.num_inputs * steps_O
        )
    else:
        step_T1 = x_TI.double().abs().amax(1, keepdim=True) / 127
        error_TO = (0.501 * step_T1 + 127 * HALF_OF_SMALLEST) * made.weight_OI.abs().sum(1)
        error_TO += (sizes_TO + error_TO) * (made.quantised.scales_OG.shape[1] + 5) * HALF_ULP
    if x_TI.dtype == torch.bfloat16:
        error_TO += (expected(made, x_TI).abs() + error_TO) * HALF_ULP_NARROW
    return error_TO + TINY * (x_TI.shape[1] + 1)
