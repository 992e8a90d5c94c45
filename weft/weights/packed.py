"""Weights as the `cpu` backend's kernels read them: 16 outputs side by side, in bfloat16, float32, int8 or int4.

A block holds 16 outputs. Its numbers lie in steps of 64 bytes: bfloat16 as pairs of inputs of each output, float32 as
one input after the other, int8 as fours of inputs of each output, int4 as two such fours, the first in the low halves
of the bytes. Integers come group by group, and before the numbers of two groups lie their scales in half precision, so
that a product reads one stream. An integer weight is (number - offset) * scale * factor, with offset 8 or 128 and one
factor per output.

Scales that we choose ourselves are small whole numbers, as in the progressive quantisation of QServe (Lin et al.,
arXiv 2405.04532, section 4.1): sums over groups then are integers, too, and are scaled but once per output. Scales in
files of others are what they are, and sums over groups are floats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from weft.weights.huge_pages import empty_in_huge_pages
from weft.weights.linear import Linear

COLUMNS = 16
"""Outputs of a block."""
ALIGNMENT_BYTES = 64
LARGEST_WHOLE_SCALE = 128
"""What an output's largest scale is where scales are whole numbers: it keeps all its digits then. The error of int4
weights is that of scales in half precision, to three digits."""
LAYOUT_VERSION = 3
"""Of what this module packs: blocks and files of another version are packed anew. Every change of bytes raises it. 1:
scales behind all numbers of a block. 2: scales of our own that are not whole."""
MOST_INPUTS = 1 << 16
"""Sums of products of bytes stay below 2^31."""


class PackedFormat(Enum):
    """By the numbers that the kernels know them by."""

    INT4 = 0
    INT8 = 1
    BFLOAT16 = 2
    FLOAT32 = 3
    INT4_A16 = 4
    """The bytes of INT4, by activations that stay floats; on INT4 they become int8 first."""
    INT8_A16 = 5
    INT4_WHOLE = 6
    """INT4 whose scales are whole numbers of at most `LARGEST_WHOLE_SCALE`."""

    @property
    def num_bits(self) -> int:
        """Of a number, without its share of a scale."""
        return {"INT4": 4, "INT8": 8, "BFLOAT16": 16, "FLOAT32": 32}[self.number_name]

    @property
    def number_name(self) -> str:
        """Of the numbers, whatever their scales and the activations are."""
        return self.name.partition("_")[0]


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class PackedLinear(Linear):
    """A linear layer whose weight is packed. `weight_OI` is on the meta device and tells only the shape.

    `blocks`: [blocks, bytes], uint8. `factors_O`: float32, padded to whole blocks; empty for floats. `num_inputs`:
    padded to whole groups, or to pairs. `group_inputs`: of those that share a scale; `num_inputs` where an output
    has one scale.
    """

    format: PackedFormat
    blocks: Tensor
    factors_O: Tensor
    num_inputs: int
    group_inputs: int

    @property
    def parts(self) -> dict[str, Tensor]:
        """By name, all that is kept of the weight. The parts of a layer are those of its first outputs, a whole number
        of blocks, and then those of the others."""
        return {"blocks": self.blocks, "factors_O": self.factors_O}

    def of_parts(
        self, outputs: int, inputs: int, bias_O: Tensor | None, parts: Mapping[str, Tensor]
    ) -> "PackedLinear":
        """A layer in the format of this one, with as many blocks as its parts have."""
        return replace(
            self,
            weight_OI=torch.empty(outputs, inputs, device="meta"),
            bias_O=bias_O,
            blocks=parts["blocks"],
            factors_O=parts["factors_O"],
        )

    def with_float_activations(self) -> "PackedLinear":
        """The same integers, multiplied by activations as they come."""
        return replace(self, format=PackedFormat[f"{self.format.number_name}_A16"])

    @property
    def float_dtype(self) -> torch.dtype:
        """Of weights that keep their numbers."""
        return {PackedFormat.BFLOAT16: torch.bfloat16, PackedFormat.FLOAT32: torch.float32}[self.format]

    @property
    def num_bytes(self) -> int:
        """That a product reads of it."""
        return sum(part.nbytes for part in self.parts.values())


class Quantised(NamedTuple):
    """A weight as integers: numbers_OI * scales_OG * factors_O, groups of equally many inputs. Scales are float16."""

    numbers_OI: Tensor
    scales_OG: Tensor
    factors_O: Tensor

    def values(self) -> Tensor:
        """What the integers stand for: float64 [O, I], inputs padded to whole groups."""
        scales_OG1 = (self.scales_OG.double() * self.factors_O.double()[:, None])[..., None]
        groups_OGK = self.numbers_OI.double().view(len(self.numbers_OI), scales_OG1.shape[1], -1)
        return (groups_OGK * scales_OG1).flatten(1)


def quantise_int8(weight_OI: Tensor) -> Quantised:
    """One scale per output, symmetric: the largest magnitude becomes 127."""
    wide_OI = _padded(weight_OI.float(), ALIGNMENT_BYTES // 2)
    # In float64, since the inverse of a very small magnitude is no float32.
    factors_O = (wide_OI.abs().amax(1).double() / 127).float()
    numbers_OI = _divided(wide_OI, factors_O[:, None]).round().clamp(-127, 127)
    ones_O1 = torch.ones(len(factors_O), 1, dtype=torch.float16)
    return Quantised(numbers_OI.to(torch.int8), ones_O1, factors_O)


def quantise_int4(weight_OI: Tensor, group_inputs: int) -> Quantised:
    """A scale per group, symmetric: the number of largest magnitude becomes -8, so all sixteen values are used, as in
    GGUF's Q4_0. Scales are rounded first, to whole shares of an output's largest, and numbers chosen for the rounded
    ones."""
    padded_OI = _padded(weight_OI.float(), group_inputs)
    wide_OGK = padded_OI.view(len(padded_OI), -1, group_inputs)
    peaks_OG = wide_OGK.gather(2, wide_OGK.abs().argmax(2, keepdim=True))[..., 0]
    exact_OG = peaks_OG.double() / -8
    factors_O = (exact_OG.abs().amax(1) / LARGEST_WHOLE_SCALE).float()
    scales_OG = _divided(exact_OG, factors_O[:, None]).round()
    # Where a factor is a denormal number, a quotient may be larger.
    scales_OG = scales_OG.clamp(-LARGEST_WHOLE_SCALE, LARGEST_WHOLE_SCALE).half()
    steps_OG1 = (scales_OG.double() * factors_O.double()[:, None])[..., None]
    numbers_OGK = _divided(wide_OGK, steps_OG1).round().clamp(-8, 7)
    return Quantised(numbers_OGK.flatten(1).to(torch.int8), scales_OG, factors_O)


def pack_quantised(quantised: Quantised, num_bits: int, bias_O: Tensor | None, inputs: int) -> PackedLinear:
    """Integers in the order of the kernels. `inputs`: of the layer, before padding."""
    numbers_OI, scales_OG, factors_O = quantised
    outputs, padded = numbers_OI.shape
    unsigned_OI = _whole_blocks(numbers_OI.to(torch.int16) + (1 << num_bits - 1)).to(torch.uint8)
    fours_BQN = unsigned_OI.view(-1, COLUMNS, padded // 4, 4).transpose(1, 2).flatten(2)
    if num_bits == 4:
        fours_BQN = fours_BQN[:, 0::2] | fours_BQN[:, 1::2] << 4
    scales_BGN = _whole_blocks(scales_OG).view(-1, COLUMNS, scales_OG.shape[1]).transpose(1, 2)
    groups_BGN = fours_BQN.reshape(*scales_BGN.shape[:2], -1)
    blocks = _interleaved(groups_BGN, scales_BGN.contiguous().view(torch.uint8))
    return PackedLinear(
        torch.empty(outputs, inputs, device="meta"),
        _bias(bias_O),
        format=_format(scales_OG, num_bits),
        blocks=blocks,
        factors_O=_whole_blocks(factors_O),
        num_inputs=padded,
        group_inputs=padded // scales_OG.shape[1],
    )


def pack_floats(weight_OI: Tensor, bias_O: Tensor | None) -> PackedLinear:
    """A weight in bfloat16 or float32 in the order of the kernels."""
    is_narrow = weight_OI.dtype == torch.bfloat16
    even_OI = _padded(weight_OI, 2) if weight_OI.shape[1] % 2 else weight_OI
    padded_OI = _whole_blocks(even_OI).contiguous()
    # Four bytes, so a pair of bfloat16, move as one number: that is six times as fast.
    numbers_BNI = padded_OI.view(torch.int32).view(len(padded_OI) // COLUMNS, COLUMNS, -1)
    blocks_BIN = empty_in_huge_pages(numbers_BNI.transpose(1, 2).shape, torch.int32)
    blocks_BIN.copy_(numbers_BNI.transpose(1, 2))
    return PackedLinear(
        torch.empty(weight_OI.shape, device="meta"),
        _bias(bias_O),
        format=PackedFormat.BFLOAT16 if is_narrow else PackedFormat.FLOAT32,
        blocks=blocks_BIN.flatten(1).view(torch.uint8),
        factors_O=torch.empty(0),
        num_inputs=padded_OI.shape[1],
        group_inputs=padded_OI.shape[1],
    )


def _padded(weight_OI: Tensor, multiple: int) -> Tensor:
    return functional.pad(weight_OI, (0, -weight_OI.shape[1] % multiple))


def _whole_blocks(rows: Tensor) -> Tensor:
    """More rows of zeros."""
    missing = -len(rows) % COLUMNS
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows


def _divided(values: Tensor, steps: Tensor) -> Tensor:
    """In float64; zero where a step is zero."""
    return torch.where(steps == 0, 0.0, values.double() / steps.double())


def _format(scales_OG: Tensor, num_bits: int) -> PackedFormat:
    if num_bits == 8:
        return PackedFormat.INT8
    is_whole = bool(((scales_OG == scales_OG.round()) & (scales_OG.abs() <= LARGEST_WHOLE_SCALE)).all())
    return PackedFormat.INT4_WHOLE if is_whole else PackedFormat.INT4


def _bias(bias_O: Tensor | None) -> Tensor | None:
    return None if bias_O is None else bias_O.float().contiguous()


def _interleaved(groups_BGN: Tensor, scales_BGN: Tensor) -> Tensor:
    """The scales of two groups, then their numbers, and so on; a last group alone leaves half of a line empty."""
    num_blocks, num_groups, group_bytes = groups_BGN.shape
    pairs = num_groups // 2
    first = torch.cat(
        [
            scales_BGN[:, : 2 * pairs].reshape(num_blocks, pairs, ALIGNMENT_BYTES),
            groups_BGN[:, : 2 * pairs].reshape(num_blocks, pairs, 2 * group_bytes),
        ],
        dim=2,
    ).flatten(1)
    if num_groups % 2 == 0:
        return _aligned(first)
    return _aligned(torch.cat([first, _filled(scales_BGN[:, -1]), groups_BGN[:, -1]], dim=1))


def _filled(rows: Tensor) -> Tensor:
    return functional.pad(rows, (0, -rows.shape[1] % ALIGNMENT_BYTES))


def _aligned(rows: Tensor) -> Tensor:
    """The same, beginning at a multiple of 64 bytes, as torch's own allocator does."""
    filled = _filled(rows).contiguous()
    return filled if filled.data_ptr() % ALIGNMENT_BYTES == 0 else filled.clone()
