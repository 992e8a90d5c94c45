"""What one reader is told, in order."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """An `asyncio.Queue` without a bound, for one reader at a time: with neither writers that wait nor tasks to count
    it costs each token a third.

    `offer`: where a reader waits, an item is first offered to this; what it takes, by saying True, nobody reads, and
    the reader goes on waiting. What it raises, the reader gets.
    """

    def __init__(self) -> None:
        self.offer: Callable[[Item], bool] | None = None
        self._items: deque[Item] = deque()
        self._reader: asyncio.Future[None] | None = None

    def qsize(self) -> int:
        """How many have not been read."""
        return len(self._items)

    def put_nowait(self, item: Item) -> None:
        """Leave one more."""
        reader = self._reader
        if reader is None or reader.done():
            self._items.append(item)
        elif self.offer is None:
            self._items.append(item)
            reader.set_result(None)
        else:
            self._offer(self.offer, item, reader)

    def _offer(self, offer: Callable[[Item], bool], item: Item, reader: "asyncio.Future[None]") -> None:
        try:
            is_taken = offer(item)
        except Exception as error:
            reader.set_exception(error)
            return
        if not is_taken:
            self._items.append(item)
            reader.set_result(None)

    async def get(self) -> Item:
        """The next, once there is one. Raises what `offer` raised."""
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._items.popleft()

    def get_nowait(self) -> Item:
        """The next. Raises `IndexError` where there is none."""
        return self._items.popleft()
