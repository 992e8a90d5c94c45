"""What every kind of state group can do for the engine."""

from abc import ABC, abstractmethod
from collections.abc import Sequence as SequenceOf

from weft.contracts.requests import Request
from weft.contracts.steps import HOLE
from weft.engine.block_pool import BlockPool
from weft.engine.deferred import Deferred
from weft.engine.sequence import Sequence
from weft.engine.step_plan import StepPlan


class GroupState(ABC):
    """The tables of one state group: block numbers per sequence, at `sequence.tables[index]`.

    Counts are in blocks, positions and ends in units (tokens).
    """

    def __init__(self, index: int, pool: BlockPool, block_tokens: int, deferred: Deferred) -> None:
        self.index = index
        self.pool = pool
        self.block_tokens = block_tokens
        self.deferred = deferred

    @abstractmethod
    def peak_blocks(self, total_tokens: int, request: Request) -> int:
        """The most blocks that a sequence of a request holds at once until it has a total length."""

    @abstractmethod
    def has_prefix(self, sequence: Sequence, keys: SequenceOf[bytes], num_blocks: int) -> bool:
        """Whether cached state lets a sequence go on after its first `num_blocks` blocks."""

    @abstractmethod
    def admission_blocks(self, sequence: Sequence, num_blocks: int) -> int:
        """How many available blocks it takes to compute all known tokens behind a cached prefix of `num_blocks`,
        idle ones of the prefix included."""

    @abstractmethod
    def adopt(self, sequence: Sequence, num_blocks: int, plan: StepPlan) -> None:
        """Take up a cached prefix that `has_prefix` found, at `sequence.keys`."""

    @abstractmethod
    def missing(self, sequence: Sequence, start: int, end: int) -> int:
        """Blocks to allocate before units `start` to `end` can be computed."""

    def has_room(self, sequence: Sequence, start: int, end: int) -> bool:
        """Whether what is missing can be allocated now."""
        return self.missing(sequence, start, end) <= self.pool.num_available

    def has_run(self, sequence: Sequence) -> bool:
        """Whether blocks that must be consecutive are so; only reservations ask for it."""
        return True

    def blocks_to_restore(self, sequence: Sequence, table: SequenceOf[int]) -> int:
        """Blocks that swapped state in a table of this shape takes once it is back, room to go on included."""
        return sum(block != HOLE for block in table)

    @abstractmethod
    def grow(self, sequence: Sequence, start: int, end: int, plan: StepPlan) -> None:
        """Allocate what `missing` counted; there is room for it."""

    def trim(self, sequence: Sequence, start: int) -> None:  # noqa: B027
        """Give up what units from `start` on no longer need."""

    def publish(self, sequence: Sequence, first: int, last: int) -> None:  # noqa: B027
        """Make blocks `first` to `last` (exclusive), now computed, findable by their keys."""

    def truncate(self, sequence: Sequence, num_units: int) -> None:  # noqa: B027
        """Give up the state of units from `num_units` on; nothing under way touches it."""

    @abstractmethod
    def fork(self, parent: Sequence, child: Sequence, plan: StepPlan) -> bool:
        """Give the child the parent's state; False, changing nothing, where there is no room."""

    def held(self, sequence: Sequence) -> list[int]:
        """The blocks in a sequence's table, holes left out; to look at only."""
        table = sequence.tables[self.index] if sequence.tables else []
        return [block for block in table if block != HOLE]

    def release(self, sequence: Sequence) -> None:
        """Give up everything, the end of the sequence first, once no step under way touches it."""
        blocks = self.held(sequence)
        if sequence.tables:
            sequence.tables[self.index] = []
        if blocks:
            blocks.reverse()
            self.deferred.release(sequence.last_step, self.pool, blocks)
