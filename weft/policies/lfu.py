"""Cached blocks are given up by how often they were used."""

from collections.abc import Sequence

from weft.policies.block_listener import BlockListener
from weft.policies.idle_blocks import IdleBlocks


class Lfu(BlockListener):
    """Least frequently used first, of equals the least recently idle; a block is used where it is taken up from among
    the idle ones. Counts are forgotten with the content, so what was once hot and never asked for again stays long:
    `greedy_dual` ages."""

    def __init__(self) -> None:
        self._idle = IdleBlocks()
        self._uses: dict[int, int] = {}

    def idled(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            self._idle.add(block, self._uses.setdefault(block, 0))

    def reused(self, block: int) -> None:
        self._idle.remove(block)
        self._uses[block] += 1

    def evicted(self, block: int) -> None:
        self._idle.remove(block)
        del self._uses[block]

    def decide(self, count: int) -> Sequence[int]:
        return self._idle.least(count)
