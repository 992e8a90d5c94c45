"""Cached blocks are given up by how often they were used."""

from collections.abc import Sequence

from weft.contracts.policies import BlocksEvicted, BlocksIdled, BlocksReused, RetainEvent, RetainPolicy
from weft.policies.idle_blocks import IdleBlocks


class Lfu(RetainPolicy):
    """Least frequently used first, of equals the least recently idle; a block is used where it is taken up from among
    the idle ones. Counts are forgotten with the content, so what was once hot and never asked for again stays long:
    `greedy_dual` ages."""

    def __init__(self) -> None:
        self._idle = IdleBlocks()
        self._uses: dict[int, int] = {}

    def observe(self, event: RetainEvent) -> None:
        match event:
            case BlocksIdled():
                for block in event.blocks:
                    self._idle.add(block, self._uses.setdefault(block, 0))
            case BlocksReused():
                for block in event.blocks:
                    self._idle.remove(block)
                    self._uses[block] += 1
            case BlocksEvicted():
                for block in event.blocks:
                    self._idle.remove(block)
                    del self._uses[block]
            case _:
                pass

    def decide(self, count: int) -> Sequence[int]:
        return self._idle.least(count)
