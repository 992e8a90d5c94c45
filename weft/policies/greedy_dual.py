"""Cached blocks are given up by use, age and what it costs to compute them again."""

from collections.abc import Sequence
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import BlocksCached
from weft.policies.block_listener import BlockListener
from weft.policies.idle_blocks import IdleBlocks


class GreedyDual(BlockListener):
    """A block is worth its uses times its cost, above the worth of the last one given up, so that old worth fades
    (GDSF: Cherkasova, Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching, HP 1998, section 3).
    Blocks are of one size; the cost of one is that of the sequence it was part of, per block: its linear layers, the
    same for all, and its attention, which grows with the context. Of one sequence the end goes first.

    `crossover_blocks`: at which block of a context attention costs as much as the linear layers. The default is that of
    Llama-3.1-8B in blocks of 16 tokens: 16 GFLOP per token against 0.52 MFLOP per token and token of context.
    """

    observes: ClassVar[tuple[type, ...]] = (BlocksCached,)

    def __init__(self, crossover_blocks: float = 1900.0) -> None:
        if not crossover_blocks > 0:
            raise ConfigurationError(
                f"greedy_dual: crossover_blocks is {crossover_blocks}; it must be above 0 blocks"
            )
        self._crossover_blocks = crossover_blocks
        self._idle = IdleBlocks()
        self._uses: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._floor = 0.0

    def cached(self, event: BlocksCached) -> None:
        self._positions.update({block: index for index, block in enumerate(event.blocks, event.first)})

    def idled(self, blocks: Sequence[int]) -> None:
        mean = sum(self._positions[block] for block in blocks) / len(blocks)
        cost = 1.0 + mean / self._crossover_blocks
        for block in blocks:
            self._idle.add(block, self._floor + self._uses.setdefault(block, 1) * cost)

    def reused(self, block: int) -> None:
        self._idle.remove(block)
        self._uses[block] += 1

    def evicted(self, block: int) -> None:
        self._floor = max(self._floor, self._idle.remove(block))
        del self._uses[block], self._positions[block]

    def decide(self, count: int) -> Sequence[int]:
        return self._idle.least(count)
