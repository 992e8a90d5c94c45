"""Memory for weights in pages of 2 MiB where the system has them.

A step reads all weights once, so every page of 4 KiB costs a miss of the cache of addresses; and the processor itself
fetches ahead no further than to the end of one. Many tensors share a region, since most layers are smaller than a page.
"""

import mmap
import threading
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

REGION_BYTES = 64 << 20
LEAST_BYTES = 256 << 10
"""Smaller tensors stay where they are: a region is free again only when all its tensors are gone."""
ALIGNMENT_BYTES = 64


class _Region:
    """Memory that is given away from front to back; tensors keep it alive."""

    def __init__(self, size: int) -> None:
        # Shared memory, which Python maps by default, has pages of its own kind, and most systems keep them small.
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            self._advise()
        self._size, self._used = size, 0

    def _advise(self) -> None:
        try:
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # a kernel that was built without them
            return

    def take(self, size: int) -> Tensor | None:
        """Bytes that nobody else has, or None where there are not that many."""
        start = -(-self._used // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        if start + size > self._size:
            return None
        self._used = start + size
        return torch.frombuffer(self._memory, dtype=torch.uint8, count=size, offset=start)


class _Regions:
    """The region that is being filled. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._region: _Region | None = None

    def take(self, size: int) -> Tensor:
        with self._lock:
            taken = self._region.take(size) if self._region else None
            if taken is None:
                self._region = _Region(max(size, REGION_BYTES))
                taken = self._region.take(size)
            assert taken is not None
            return taken


_REGIONS = _Regions()


def empty_in_huge_pages(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor to be filled, in such memory from a multiple of 64 bytes on; a small one where torch puts it."""
    num_bytes = prod(shape) * dtype.itemsize
    if num_bytes < LEAST_BYTES:
        return torch.empty(shape, dtype=dtype)
    return _REGIONS.take(num_bytes).view(dtype).view(shape)
