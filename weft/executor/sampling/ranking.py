"""The likeliest tokens in an order that leaves nothing open: by value falling, equal values by token id.

`torch.topk` and an unstable sort order equal values as they like. Here value and token id become one integer, so no
two elements of a row are equal and every way of sorting gives the same answer.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

_CACHED_ELEMENTS = 1 << 17
"""On the CPU about so many elements at a time: their int64 intermediates (1 MiB each) stay in the caches."""


def ranked(values_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` highest values of each row and their token ids, ordered: float32 [R, K], int64 [R, K].

    `values_RV`: float32 without NaN; `count`: 1 to V.
    """
    vocab_size = values_RV.shape[-1]
    keys_RV = _ordered_bits(values_RV) << 32
    keys_RV |= torch.arange(vocab_size - 1, -1, -1, device=values_RV.device)
    keys_RK = _highest(keys_RV, count)
    tokens_RK = (vocab_size - 1) - (keys_RK & 0xFFFFFFFF)
    return values_RV.gather(-1, tokens_RK), tokens_RK


def row_chunks(x_RV: Tensor) -> Iterator[slice]:
    """Ranges of rows to work on one after the other."""
    num_rows, width = x_RV.shape
    rows = max(1, _CACHED_ELEMENTS // width) if x_RV.device.type == "cpu" else max(1, num_rows)
    return (slice(start, start + rows) for start in range(0, num_rows, rows))


def _ordered_bits(values: Tensor) -> Tensor:
    """int64 from -2^31 to 2^31 - 1 that compare as the floats do; the two zeros are equal.

    The bits of an IEEE float order positive numbers; for negative ones the magnitude is flipped.
    """
    bits = (values + 0.0).view(torch.int32)
    return bits.bitwise_xor_((bits >> 31).bitwise_and_(0x7FFFFFFF)).long()


def _highest(keys_RV: Tensor, count: int) -> Tensor:
    """topk costs less than a sort while there is something to leave out."""
    if count < keys_RV.shape[-1]:
        return keys_RV.topk(count).values
    return keys_RV.sort(dim=-1, descending=True).values
