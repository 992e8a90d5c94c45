"""Blocks of GGUF's quantised formats: as our integers without loss (Q4_0, Q8_0), and as floats.

Each output's inputs are cut into blocks. Q4_0 and Q8_0 (ggml's `block_q4_0`, `block_q8_0`): of 32, each with one scale
in half precision; then 16 bytes whose low halves are the first 16 numbers and whose high halves the others, 8 too
large, or 32 signed bytes. A weight is number times scale, as in ours with a factor of one.

Q6_K (`block_q6_K`), in which many files in Q4_0 keep their head: of 256, in two halves. 128 bytes with the low four
bits of the numbers and 64 with the high two, 32 too large; a signed byte for each 16 weights, and a scale of the block
in half precision: a weight is number times byte times scale.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.huge_pages import empty_in_huge_pages
from weft.weights.packed import COLUMNS, PackedLinear, Quantised, pack_quantised

BLOCK_WEIGHTS = 32
SCALE_BYTES = 2
BLOCK_BYTES = {4: SCALE_BYTES + BLOCK_WEIGHTS // 2, 8: SCALE_BYTES + BLOCK_WEIGHTS}
"""By bits of a number."""
K_BLOCK_WEIGHTS, K_BLOCK_BYTES = 256, 210
SLICE_ROWS = 16 * COLUMNS
"""So many outputs are taken at once."""


class Blocks(NamedTuple):
    """A matrix in blocks of Q4_0 (`num_bits` 4) or Q8_0 (8): uint8 [outputs, bytes]."""

    bytes_OB: Tensor
    num_bits: int


def quantised_blocks(bytes_OB: Tensor, num_bits: int) -> Quantised:
    """The integers and scales of rows of blocks: uint8 [outputs, bytes], of Q4_0 (`num_bits` 4) or Q8_0 (8).

    Raises `ConfigurationError` where a row is not of whole blocks, or a scale is an infinity or no number.
    """
    blocks_OGB = _whole(bytes_OB, BLOCK_BYTES[num_bits])
    scales_OG = _scales(blocks_OGB[..., :SCALE_BYTES])
    numbers_OGK = _numbers(blocks_OGB[..., SCALE_BYTES:], num_bits)
    return Quantised(numbers_OGK.flatten(1), scales_OG, torch.ones(len(bytes_OB)))


def floats_of_blocks(bytes_OB: Tensor, num_bits: int) -> Tensor:
    """What they stand for, exactly: float32 [O, I]. Raises as `quantised_blocks` does."""
    numbers_OI, scales_OG, _ = quantised_blocks(bytes_OB, num_bits)
    groups_OGK = numbers_OI.float().view(*scales_OG.shape, BLOCK_WEIGHTS)
    return (groups_OGK * scales_OG.float()[..., None]).flatten(1)


def floats_of_q6_k(bytes_OB: Tensor) -> Tensor:
    """What rows of blocks of Q6_K stand for: float32 [O, I]. Raises `ConfigurationError` as `quantised_blocks` does."""
    low, high, steps, scales = torch.split(_whole(bytes_OB, K_BLOCK_BYTES), [128, 64, 16, 2], dim=2)
    outputs, blocks = low.shape[:2]
    low_OGHB, high_OGHB = low.reshape(outputs, blocks, 2, 64), high.reshape(outputs, blocks, 2, 32)
    # Of a half: 64 numbers from low halves of bytes and 64 from high ones, in quarters that share bytes of high bits.
    low_OGHQK = torch.cat([low_OGHB & 15, low_OGHB >> 4], dim=3).view(outputs, blocks, 2, 4, 32)
    high_OGHQK = torch.stack([high_OGHB >> shift & 3 for shift in (0, 2, 4, 6)], dim=3)
    numbers_OGSK = ((low_OGHQK | high_OGHQK << 4).float() - 32).view(outputs, blocks, 16, 16)
    scales_OGS = _scales(scales)[..., None].float() * steps.contiguous().view(torch.int8).float()
    return (numbers_OGSK * scales_OGS[..., None]).flatten(1)


def pack_blocks(
    parts: Sequence[Blocks], bias_O: Tensor | None = None, order_O: Tensor | None = None
) -> PackedLinear:
    """A layer for the `cpu` backend whose weights are exactly those of the blocks, one matrix after the other, and then
    in `order_O`. Numbers of 4 bits beside some of 8 become such. Raises `ConfigurationError` as `quantised_blocks`."""
    num_bits = max(part.num_bits for part in parts)
    found = [quantised_blocks(rows, part.num_bits) for part in parts for rows in _slices(part.bytes_OB)]
    whole = Quantised(*(torch.cat(each) for each in zip(*found, strict=True)))
    if order_O is not None:
        whole = Quantised(*(each[order_O] for each in whole))
    outputs, inputs = whole.numbers_OI.shape
    rows_of = (Quantised(*rows) for rows in zip(*(_slices(part) for part in whole), strict=True))
    made = [pack_quantised(rows, num_bits, None, inputs) for rows in rows_of]
    joined = {name: _joined([each.parts[name] for each in made]) for name in made[0].parts}
    bias_O = None if bias_O is None else bias_O.float().contiguous()
    return made[0].of_parts(outputs, inputs, bias_O, joined)


def _slices(rows: Tensor) -> tuple[Tensor, ...]:
    """What is needed meanwhile is small beside a layer, and stays in a cache."""
    slices: tuple[Tensor, ...] = torch.split(rows, SLICE_ROWS)
    return slices


def _joined(parts: Sequence[Tensor]) -> Tensor:
    whole = empty_in_huge_pages((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    return torch.cat(list(parts), out=whole)


def _whole(bytes_OB: Tensor, size: int) -> Tensor:
    """By blocks: [O, G, bytes of a block]."""
    if bytes_OB.shape[1] % size:
        raise ConfigurationError(
            f"rows of {bytes_OB.shape[1]} bytes are not of whole blocks of {size}; the file is damaged"
        )
    return bytes_OB.reshape(len(bytes_OB), -1, size)


def _scales(bytes_OGB: Tensor) -> Tensor:
    scales_OG = bytes_OGB.contiguous().view(torch.float16)[..., 0]
    if not scales_OG.isfinite().all():
        raise ConfigurationError("scales of quantised blocks are not finite; the file is damaged")
    return scales_OG


def _numbers(bytes_OGB: Tensor, num_bits: int) -> Tensor:
    if num_bits == 8:
        return bytes_OGB.contiguous().view(torch.int8)
    return torch.cat([bytes_OGB & 15, bytes_OGB >> 4], dim=2).to(torch.int8) - 8
