"""What retain policies have in common: who is told of which block."""

from abc import abstractmethod
from collections.abc import Sequence

from weft.contracts.events import Event
from weft.contracts.policies import (
    BlocksCached,
    BlocksEvicted,
    BlocksIdled,
    BlocksReused,
    RetainEvent,
    RetainPolicy,
)


class BlockListener(RetainPolicy):
    """Takes events apart. `cached` and `heard` are for those that `observe` such events."""

    def observe(self, event: RetainEvent) -> None:
        match event:
            case BlocksIdled():
                self.idled(event.blocks)
            case BlocksReused():
                for block in event.blocks:
                    self.reused(block)
            case BlocksEvicted():
                for block in event.blocks:
                    self.evicted(block)
            case BlocksCached():
                self.cached(event)
            case _:
                self.heard(event)

    @abstractmethod
    def idled(self, blocks: Sequence[int]) -> None:
        """Nobody holds them any more; the first is the first to be forgotten."""

    @abstractmethod
    def reused(self, block: int) -> None:
        """An idle block is held again."""

    @abstractmethod
    def evicted(self, block: int) -> None:
        """An idle block's content was given up."""

    def cached(self, event: BlocksCached) -> None:
        """Blocks can be found from now on."""

    def heard(self, event: Event) -> None:
        """Something happened in the engine."""
