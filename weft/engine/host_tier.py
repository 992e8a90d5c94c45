"""Blocks in host memory, where swapped state waits."""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import HOLE


class HostTier:
    """Free lists of host blocks per state group. A block here belongs to one sequence."""

    def __init__(self, sizes: SequenceOf[int]) -> None:
        self.sizes = tuple(sizes)
        self._free = [list(range(size - 1, -1, -1)) for size in sizes]

    def has_room(self, counts: SequenceOf[int]) -> bool:
        """Whether every group has as many free blocks as asked."""
        return all(count <= len(free) for count, free in zip(counts, self._free, strict=True))

    def take(self, tables: SequenceOf[SequenceOf[int]]) -> list[list[int]]:
        """A host block for each block of the tables; holes stay holes. There must be room."""
        return [
            [HOLE if block == HOLE else free.pop() for block in table]
            for table, free in zip(tables, self._free, strict=True)
        ]

    def give_back(self, tables: SequenceOf[SequenceOf[int]]) -> None:
        """Return host blocks."""
        for table, free in zip(tables, self._free, strict=True):
            free.extend(block for block in table if block != HOLE)

    def check(self, held: SequenceOf[SequenceOf[int]]) -> None:
        """Compare with the blocks that sequences hold, per group; raise `InvariantViolation`."""
        for group, (blocks, free) in enumerate(zip(held, self._free, strict=True)):
            if sorted([*blocks, *free]) != list(range(self.sizes[group])):
                raise InvariantViolation(
                    "host_blocks_conserved", f"group {group}: held {blocks}, free {free}"
                )
