"""Cached blocks are given up in the order of their last use."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

from weft.contracts.policies import BlocksEvicted, BlocksIdled, BlocksReused, RetainEvent, RetainPolicy


class Lru(RetainPolicy):
    """Least recently used first; of a sequence's blocks the last first, because the first are shared most."""

    def __init__(self) -> None:
        # A plain dict would walk over the gaps that evictions leave at its front.
        self._idle: OrderedDict[int, None] = OrderedDict()

    def observe(self, event: RetainEvent) -> None:
        idle = self._idle
        if isinstance(event, BlocksIdled):
            idle.update(dict.fromkeys(event.blocks))
        elif isinstance(event, BlocksReused | BlocksEvicted):
            for block in event.blocks:
                del idle[block]

    def decide(self, count: int) -> Sequence[int]:
        return list(islice(self._idle, count))
