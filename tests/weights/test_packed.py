"""Weights as integers: how far from what they were, and packed so that nothing is lost."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from weft.weights.packed import (
    COLUMNS,
    LARGEST_WHOLE_SCALE,
    PackedFormat,
    PackedLinear,
    Quantised,
    pack_floats,
    pack_quantised,
    quantise_int4,
    quantise_int8,
)

HALF_OF_SCALE = 0.5 / LARGEST_WHOLE_SCALE
"""How much of an output's largest scale the rounding of a scale may change."""


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(quantised: Quantised, weight_OI: Tensor) -> Tensor:
    return (quantised.values()[:, : weight_OI.shape[1]] - weight_OI.double()).abs()


@given(st.integers(1, 40), st.integers(1, 200), st.integers(-35, 30))
def test_int8_is_within_half_a_step(outputs: int, inputs: int, power: int) -> None:
    weight_OI = numbers(outputs, inputs) * 10.0**power
    steps_O1 = weight_OI.double().abs().amax(1, keepdim=True) / 127
    assert (error(quantise_int8(weight_OI), weight_OI) <= steps_O1 * 0.5001).all()


@pytest.mark.parametrize("group", [32, 64, 128])
@given(st.integers(1, 40), st.integers(1, 300), st.integers(-28, 30))
def test_int4_is_within_a_step(group: int, outputs: int, inputs: int, power: int) -> None:
    """Half a step, but for numbers that would become 8 and become 7: up to one step. A scale may be off, eightfold."""
    weight_OI = numbers(outputs, inputs) * 10.0**power
    quantised = quantise_int4(weight_OI, group)
    steps_OI = (quantised.scales_OG.double() * quantised.factors_O.double()[:, None]).abs()
    off_O1 = steps_OI.amax(1, keepdim=True) * 8.001 * HALF_OF_SCALE
    steps_OI = steps_OI.repeat_interleave(group, 1)[:, :inputs]
    assert (error(quantised, weight_OI) <= steps_OI + off_O1).all()
    kept_OI = quantised.numbers_OI[:, :inputs] != 7
    assert (error(quantised, weight_OI)[kept_OI] <= (0.5 * steps_OI + off_O1)[kept_OI]).all()


def test_what_fits_is_kept_exactly() -> None:
    """Weights that were int4 before come back as they were where an output had one scale."""
    scales_O1 = torch.tensor([[2.0**-7], [3.0], [0.125]])
    whole_OI = torch.arange(-8, 8).repeat(3, 4).float()
    assert error(quantise_int4(whole_OI * scales_O1, 32), whole_OI * scales_O1).max() == 0
    bytes_OI = torch.arange(-127, 128).repeat(3, 1).float()
    assert error(quantise_int8(bytes_OI * scales_O1), bytes_OI * scales_O1).max() == 0


def test_zeros_stay_zeros() -> None:
    weight_OI = torch.zeros(3, 40)
    assert quantise_int8(weight_OI).values().abs().max() == 0
    assert quantise_int4(weight_OI, 32).values().abs().max() == 0


def unpacked(packed: PackedLinear) -> tuple[Tensor, Tensor]:
    """The integers of a packed layer and its scales, read by the description of the format: [O, I] and [O, G]."""
    outputs, bits = len(packed.weight_OI), packed.format.num_bits
    size, num_groups = packed.group_inputs * COLUMNS * bits // 8, packed.num_inputs // packed.group_inputs
    numbers, scales = [], []
    for group in range(num_groups):
        line = group // 2 * (64 + 2 * size)
        scales.append(packed.blocks[:, line + group % 2 * 32 :][:, :32].contiguous().view(torch.float16))
        numbers.append(packed.blocks[:, line + 64 + group % 2 * size :][:, :size])
    steps_BSNQ = torch.cat(numbers, 1).view(len(packed.blocks), -1, COLUMNS, 4)
    if bits == 4:
        steps_BSNQ = torch.stack([steps_BSNQ & 15, steps_BSNQ >> 4], dim=2).flatten(1, 2)
    numbers_OI = steps_BSNQ.transpose(1, 2).flatten(2).flatten(0, 1).int() - (1 << bits - 1)
    return numbers_OI[:outputs], torch.stack(scales, 2).flatten(0, 1)[:outputs]


@given(st.integers(1, 50), st.integers(1, 200), st.sampled_from([4, 8]))
def test_packing_loses_nothing(outputs: int, inputs: int, bits: int) -> None:
    weight_OI = numbers(outputs, inputs)
    quantised = quantise_int4(weight_OI, 64) if bits == 4 else quantise_int8(weight_OI)
    packed = pack_quantised(quantised, bits, None, inputs)
    assert packed.weight_OI.shape == weight_OI.shape
    numbers_OI, scales_OG = unpacked(packed)
    assert torch.equal(numbers_OI, quantised.numbers_OI.int())
    assert torch.equal(scales_OG, quantised.scales_OG)
    assert packed.blocks.data_ptr() % 64 == 0
    assert packed.blocks.shape[1] % 64 == 0


def test_sizes_in_memory() -> None:
    """Int4 in groups of 32 takes 4.5 bits per weight and four bytes per output, bfloat16 what it took before."""
    weight_OI = numbers(64, 1024)
    packed = pack_quantised(quantise_int4(weight_OI, 32), 4, None, 1024)
    assert packed.num_bytes == 64 * 1024 * 4.5 / 8 + 64 * 4
    assert packed.format is PackedFormat.INT4_WHOLE
    assert pack_floats(weight_OI.bfloat16(), None).num_bytes == 64 * 1024 * 2
