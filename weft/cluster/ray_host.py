"""What runs in an actor of Ray: a replica, and the frames that it has not been asked for yet."""

import asyncio
import os

from weft.cluster.framing import MOST_UNSENT_BYTES, UNSENT
from weft.cluster.hosting import HostedActor, MakeReplica


class RayHost:
    """The class of the actors."""

    def __init__(self, make: MakeReplica, name: str) -> None:
        self._make, self._name = make, name

    def __repr__(self) -> str:
        return self._name  # which Ray puts before the lines that it writes

    async def begin(self, opening: bytes) -> int:
        """Be what is described; the number of the process."""
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._defect: Exception | None = None
        self._has_news = asyncio.Event()
        self._hosted = HostedActor(self._make, self._put, self._fail)
        self._hosted.take(opening)
        return os.getpid()

    async def receive(self, *frames: bytes) -> None:
        """What came from the router."""
        try:
            for frame in frames:
                self._hosted.take(frame)
        except Exception as defect:  # the caller waits for no answer
            self._fail(defect)

    async def news(self) -> list[bytes]:
        """Frames since the last call, once there is one. Raises what keeps the replica from going on."""
        await self._has_news.wait()
        if self._defect is not None:
            raise self._defect
        self._has_news.clear()
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        return unsent

    async def end(self) -> None:
        """End the replica."""
        self._hosted.close()

    def _put(self, frame: bytes) -> None:
        if self._unsent_bytes > MOST_UNSENT_BYTES:
            UNSENT.hit()
            return
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)
        self._has_news.set()

    def _fail(self, defect: Exception) -> None:
        self._defect = defect
        self._has_news.set()
