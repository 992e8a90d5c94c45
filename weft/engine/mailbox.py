"""What one reader is told, in order."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """An `asyncio.Queue` without a bound, for one reader at a time: with neither writers that wait nor tasks to count
    it costs each token a third."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._reader: asyncio.Future[None] | None = None

    def qsize(self) -> int:
        """How many have not been read."""
        return len(self._items)

    def put_nowait(self, item: Item) -> None:
        """Leave one more."""
        self._items.append(item)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Item:
        """The next, once there is one."""
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._items.popleft()

    def get_nowait(self) -> Item:
        """The next. Raises `IndexError` where there is none."""
        return self._items.popleft()
