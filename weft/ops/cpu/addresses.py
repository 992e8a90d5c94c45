"""Tensors as the kernels see them: addresses, number formats, rows."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.ops.cpu.library import kernels

if TYPE_CHECKING:
    from weft.ops.cpu._kernels import Rows

NUMBERS = {torch.float32: 0, torch.bfloat16: 1}
"""Number formats of activations, as the kernels count them."""


def number_of(x: Tensor) -> int:
    """Of a tensor on the CPU. Raises `ConfigurationError` for a number format that the kernels do not have."""
    assert x.device.type == "cpu", x.device
    number = NUMBERS.get(x.dtype)
    if number is None:
        raise ConfigurationError(f"activations are {x.dtype}; the cpu backend takes float32 and bfloat16")
    return number


def rows_of(x: Tensor) -> "Rows":
    """Rows of vectors side by side, [T, E] or [T, parts, E]. Each row must lie in one piece; see `in_rows`."""
    *parts, width = x.shape[1:]
    made: Rows = kernels().Rows(x.data_ptr(), x.stride(0), x.shape[0], parts[0] if parts else 1, width)
    return made


def in_rows(x: Tensor) -> Tensor:
    """The same, copied only where a row does not lie in one piece."""
    inner = x[0] if len(x) else x
    return x if inner.is_contiguous() else x.contiguous()
