"""What must wait until steps under way have returned: releases of blocks they may still touch."""

from collections import deque
from collections.abc import Callable, Iterator

from weft.engine.block_pool import BlockPool
from weft.engine.sequence import Sequence


class Deferred:
    """Runs releases and settlements once the step they wait for has returned, in the order given."""

    def __init__(self) -> None:
        self.resolved_step = -1
        self._releases: deque[tuple[int, BlockPool, list[int]]] = deque()
        self._settlements: deque[tuple[int, Callable[[Sequence], None], Sequence]] = deque()

    def release(self, step: int, pool: BlockPool, blocks: list[int]) -> None:
        """Drop references after `step`; the list is ours from now on."""
        if step <= self.resolved_step:
            pool.release(blocks)
        else:
            self._releases.append((step, pool, blocks))

    def settle(self, sequence: Sequence, settle: Callable[[Sequence], None]) -> None:
        """Call `settle(sequence)` after the last step that touches it; at once where that has returned."""
        if sequence.last_step <= self.resolved_step:
            settle(sequence)
        else:
            self._settlements.append((sequence.last_step, settle, sequence))

    def resolve(self, step: int) -> None:
        """`step` has returned."""
        self.resolved_step = step
        if self._releases:
            self._release_until(step)
        if self._settlements:
            self._settle_until(step)

    def _release_until(self, step: int) -> None:
        for _ in range(len(self._releases)):
            entry = self._releases.popleft()
            if entry[0] > step:
                self._releases.append(entry)
                continue
            entry[1].release(entry[2])

    def _settle_until(self, step: int) -> None:
        for _ in range(len(self._settlements)):
            waiting = self._settlements.popleft()
            if waiting[0] > step:
                self._settlements.append(waiting)
            else:
                waiting[1](waiting[2])

    @property
    def is_empty(self) -> bool:
        return not self._releases and not self._settlements

    def pinned(self) -> Iterator[tuple[BlockPool, list[int]]]:
        """Blocks whose release still waits, for checks."""
        return ((pool, blocks) for _, pool, blocks in self._releases)
