"""Work cut into pieces of one fixed shape, so that no bit depends on what else is in a step.

Libraries choose their kernels by shape: torch's product of one row differs bitwise from that of two, and
some of its element-wise functions treat the last few elements of an array differently. So the reference
backend computes every token in a tile of `TILE_ROWS` rows, padded with zeros, with one thread per tile.
That the place in a tile does not matter is what `tests/ops` checks for every operation.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from weft.contracts.errors import InvariantViolation

TILE_ROWS = 16

Item = TypeVar("Item")


class Workers:
    """The calling thread and others, each of which computes whole pieces; the pieces do not depend on how many
    threads there are."""

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._pool: ThreadPoolExecutor | None = None

    def each(self, action: Callable[[Item], None], items: Sequence[Item]) -> None:
        """Do `action` for every item, in any order."""
        if torch.get_num_threads() != 1:
            detail = (
                f"{torch.get_num_threads()} threads; call bind_thread in the thread that uses the backend"
            )
            raise InvariantViolation("one_thread_per_tile", detail)
        num_shares = min(self.num_threads, len(items))
        if num_shares <= 1:
            _do_all(action, items)
            return
        shares = [items[number::num_shares] for number in range(num_shares)]
        others = [self._threads().submit(_do_all, action, share) for share in shares[1:]]
        try:
            _do_all(action, shares[0])
        finally:
            wait(others)
        for other in others:
            other.result()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.num_threads - 1, "weft-tile", initializer=bind_thread)
        return self._pool

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def _do_all(action: Callable[[Item], None], items: Iterable[Item]) -> None:
    for item in items:
        action(item)


def bind_thread() -> None:
    """Let torch use one thread per operation called from this thread."""
    torch.set_num_threads(1)


def tile_starts(num_rows: int) -> Sequence[int]:
    """The first row of each tile."""
    return range(0, num_rows, TILE_ROWS)


def tile(x: Tensor, start: int) -> Tensor:
    """Rows from `start` on, padded with zeros to a whole tile."""
    rows = x[start : start + TILE_ROWS]
    missing = TILE_ROWS - rows.shape[0]
    return rows.contiguous() if missing == 0 else functional.pad(rows, _padding(rows.dim(), missing))


def _padding(num_dimensions: int, missing_rows: int) -> list[int]:
    return [0, 0] * (num_dimensions - 1) + [0, missing_rows]


def by_tile(function: Callable[..., Tensor], *inputs: Tensor, workers: Workers) -> Tensor:
    """Apply a function of equally many rows tile by tile; each result row depends on its input row alone."""
    num_rows = inputs[0].shape[0]
    parts: list[Tensor] = [inputs[0]] * len(tile_starts(num_rows))

    def compute(start: int) -> None:
        parts[start // TILE_ROWS] = function(*(tile(x, start) for x in inputs))

    workers.each(compute, tile_starts(num_rows))
    return join(parts, num_rows)


def join(parts: Iterable[Tensor], num_rows: int) -> Tensor:
    """Whole tiles put together, without the padding."""
    return torch.cat(tuple(parts))[:num_rows]
