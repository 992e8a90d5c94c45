"""Memory for weights in pages of 2 MiB where the system has them.

A step reads all weights once, so every page of 4 KiB costs a miss of the cache of addresses; and the processor itself
fetches ahead no further than to the end of one. Many tensors share a region, since most layers are smaller than a page.

Large pages are slow to get where a host has to find each: 0.9 s for 700 MB on a virtual machine whose small ones came
at once. So memory is filled in small pages, and `collapse_in_background` has the system put them together while the
model already serves (MADV_COLLAPSE, Linux 6.1). Where there is no such call, large pages are asked for at first.
"""

import ctypes
import mmap
import threading
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from weakref import ref

import torch
from torch import Tensor

REGION_BYTES = 64 << 20
LEAST_BYTES = 256 << 10
"""Smaller tensors stay where they are: a region is free again only when all its tensors are gone."""
ALIGNMENT_BYTES = 64
HUGE_PAGE_BYTES = 2 << 20
PAUSE_S = 0.02
MOST_PAUSES = 1500
"""Half a minute: who is never idle gains more by large pages than they cost."""
_MADV_COLLAPSE = 25  # Python has no name for it yet

_madvise = ctypes.CDLL(None).madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class _Region:
    """Memory that is given away from front to back; tensors keep it alive."""

    def __init__(self, size: int) -> None:
        # Shared memory, which Python maps by default, has pages of its own kind, and most systems keep them small.
        self.memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if hasattr(mmap, "MADV_HUGEPAGE") and not _can_collapse():
            self._advise()
        self._size, self.used = size, 0

    def _advise(self) -> None:
        try:
            self.memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # a kernel that was built without them
            return

    def take(self, size: int) -> Tensor | None:
        """Bytes that nobody else has, or None where there are not that many."""
        start = -(-self.used // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        if start + size > self._size:
            return None
        self.used = start + size
        return torch.frombuffer(self.memory, dtype=torch.uint8, count=size, offset=start)


class _Regions:
    """The region that is being filled, and those before it whose pages are small. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._region: _Region | None = None
        self._full: list[tuple[ref[mmap.mmap], int]] = []

    def take(self, size: int) -> Tensor:
        with self._lock:
            taken = self._region.take(size) if self._region else None
            if taken is None:
                self._note()
                self._region = _Region(max(size, REGION_BYTES))
                taken = self._region.take(size)
            assert taken is not None
            return taken

    def _note(self) -> None:
        if self._region is not None:
            self._full.append((ref(self._region.memory), self._region.used))

    def take_small(self) -> list[tuple[ref[mmap.mmap], int]]:
        """Memory that was given away since the last call, and how much of each; what comes next gets a new region."""
        with self._lock:
            self._note()
            self._region = None
            found, self._full = self._full, []
            return found


_REGIONS = _Regions()


def empty_in_huge_pages(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A tensor to be filled, in such memory from a multiple of 64 bytes on; a small one where torch puts it."""
    num_bytes = prod(shape) * dtype.itemsize
    if num_bytes < LEAST_BYTES:
        return torch.empty(shape, dtype=dtype)
    return _REGIONS.take(num_bytes).view(dtype).view(shape)


def collapse_in_background(is_busy: Callable[[], bool] = lambda: False) -> threading.Thread | None:
    """Have what tensors hold by now put into large pages, in a thread of its own; None where there is nothing to do.

    Tensors may be read meanwhile. It takes about a second of a processor per 400 MB, and at no time more memory than a
    page. It waits while somebody `is_busy`, up to `MOST_PAUSES` times in all: beside it a step takes twice as long.
    """
    small = _REGIONS.take_small() if _can_collapse() else []
    if not small:
        return None
    thread = threading.Thread(target=_collapse, args=(small, is_busy), name="weft-pages", daemon=True)
    thread.start()
    return thread


@cache
def _can_collapse() -> bool:
    """Whether the system knows the call; it says so of no bytes at all."""
    return hasattr(mmap, "MADV_HUGEPAGE") and _madvise(None, 0, _MADV_COLLAPSE) == 0


def _collapse(small: Sequence[tuple["ref[mmap.mmap]", int]], is_busy: Callable[[], bool]) -> None:
    pauses = iter(range(MOST_PAUSES))
    for found, used in small:
        for index in range(used // HUGE_PAGE_BYTES):
            while is_busy() and next(pauses, None) is not None:
                _pause()
            memory = found()
            if memory is None:  # its tensors are gone
                break
            _collapse_page(memory, index, used)


def _pause() -> None:
    threading.Event().wait(PAUSE_S)


def _collapse_page(memory: mmap.mmap, index: int, used: int) -> None:
    """Page by page, since others wait meanwhile who need a new one; where the system has none, small ones stay."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    page = (-(-start // HUGE_PAGE_BYTES) + index) * HUGE_PAGE_BYTES
    if page + HUGE_PAGE_BYTES <= start + used:
        _madvise(page, HUGE_PAGE_BYTES, _MADV_COLLAPSE)
