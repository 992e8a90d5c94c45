"""Blocks of GGUF's Q4_0 and Q8_0 as our integers, without loss.

Both formats cut each output's inputs into blocks of 32, each with one scale in half precision (ggml's `block_q4_0`
and `block_q8_0`). Q4_0: the scale, then 16 bytes whose low halves are the first 16 numbers and whose high halves the
others, 8 too large. Q8_0: the scale, then 32 signed bytes. A weight is number times scale, as in ours with a factor
of one.
"""

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.packed import PackedLinear, Quantised, pack_quantised

BLOCK_WEIGHTS = 32
SCALE_BYTES = 2
BLOCK_BYTES = {4: SCALE_BYTES + BLOCK_WEIGHTS // 2, 8: SCALE_BYTES + BLOCK_WEIGHTS}
"""By bits of a number."""


def quantised_blocks(bytes_OB: Tensor, num_bits: int) -> Quantised:
    """The integers and scales of rows of blocks: uint8 [outputs, bytes], of Q4_0 (`num_bits` 4) or Q8_0 (8).

    Raises `ConfigurationError` where a row is not of whole blocks, or a scale is an infinity or no number.
    """
    size = BLOCK_BYTES[num_bits]
    if bytes_OB.shape[1] % size:
        raise ConfigurationError(
            f"rows of {bytes_OB.shape[1]} bytes are not of whole blocks of {size}; the file is damaged"
        )
    blocks_OGB = bytes_OB.reshape(len(bytes_OB), -1, size)
    scales_OG = blocks_OGB[..., :SCALE_BYTES].contiguous().view(torch.float16)[..., 0]
    if not scales_OG.isfinite().all():
        raise ConfigurationError("scales of quantised blocks are not finite; the file is damaged")
    numbers_OGK = _numbers(blocks_OGB[..., SCALE_BYTES:], num_bits)
    return Quantised(numbers_OGK.flatten(1), scales_OG, torch.ones(len(bytes_OB)))


def pack_blocks(bytes_OB: Tensor, num_bits: int, bias_O: Tensor | None = None) -> PackedLinear:
    """A layer for the `cpu` backend whose weights are exactly those of the blocks; see `quantised_blocks`."""
    quantised = quantised_blocks(bytes_OB, num_bits)
    return pack_quantised(quantised, num_bits, bias_O, quantised.numbers_OI.shape[1])


def _numbers(bytes_OGB: Tensor, num_bits: int) -> Tensor:
    if num_bits == 8:
        return bytes_OGB.contiguous().view(torch.int8)
    return torch.cat([bytes_OGB & 15, bytes_OGB >> 4], dim=2).to(torch.int8) - 8
