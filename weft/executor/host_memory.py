"""Memory of the host that is taken only as it is used."""

import math
import mmap
from collections.abc import Sequence

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError


def zeros_on_demand(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """As `torch.zeros` on the CPU, which writes every page at once: here the system gives each zeroed page when it is
    first touched, so a large cache takes neither time nor memory before there is anything in it.

    Raises `ConfigurationError` where the system refuses.
    """
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes == 0:
        return torch.zeros(*shape, dtype=dtype)
    try:
        pages = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"the system grants no {num_bytes / 2**30:,.1f} GiB for the cache ({error}); ask for less of it"
        ) from None
    return torch.frombuffer(pages, dtype=dtype).view(*shape)
