"""Idle blocks by what they are worth."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

Entry = tuple[float, int, int]
"""Worth, a number that grows, block."""


class IdleBlocks:
    """A heap of blocks, those worth least first, of equal worth the first added. What was removed lies in the heap
    until it comes up, or until that is more than what is left."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._entries: dict[int, Entry] = {}
        self._next = 0

    def add(self, block: int, worth: float) -> None:
        """One more."""
        entry = self._entries[block] = (worth, self._next, block)
        self._next += 1
        heappush(self._heap, entry)

    def remove(self, block: int) -> float:
        """One less; what it was worth."""
        worth = self._entries.pop(block)[0]
        if len(self._heap) > 2 * len(self._entries) + 16:
            self._heap = list(self._entries.values())
            heapify(self._heap)
        return worth

    def least(self, count: int) -> Sequence[int]:
        """So many of those worth least, or all."""
        found: list[Entry] = []
        while self._heap and len(found) < count:
            entry = heappop(self._heap)
            if self._entries.get(entry[2]) is entry:
                found.append(entry)
        for entry in found:
            heappush(self._heap, entry)
        return [block for _, _, block in found]
