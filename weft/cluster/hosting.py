"""An actor in a process of its own: made of the first message that comes, told the others as frames."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from weft.cluster.in_process import LocalActor
from weft.cluster.messages import Frame, Stopped
from weft.cluster.wire import BadFrame, decode, encode
from weft.contracts.errors import WeftError

Description = dict[str, Any]
MakeReplica = Callable[[str, int, Callable[[Frame], object], Description], Awaitable[LocalActor]]
"""Makes the actor of a name, an incarnation, what sends its frames, and what its starter wrote. A `WeftError` that it
raises is told to the router."""


class Opening(NamedTuple):
    """What a process is told first."""

    name: str
    incarnation: int
    description: Description

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(self).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Opening":
        """Raises `BadFrame` where that is something else."""
        try:
            name, incarnation, description = json.loads(data)
        except (ValueError, TypeError) as error:
            raise BadFrame(f"no description of a replica: {error}") from None
        return cls(name, incarnation, description)


class HostedActor:
    """`send` puts the bytes of its frames on their way; `failed` is told of what kept it from being made that nobody
    foresaw."""

    def __init__(
        self, make: MakeReplica, send: Callable[[bytes], object], failed: Callable[[Exception], object]
    ) -> None:
        self._make, self._send, self._failed = make, send, failed
        self._making: asyncio.Task[None] | None = None
        self._actor: LocalActor | None = None
        self._early: list[Frame] = []

    def take(self, data: bytes) -> None:
        """What came from the router. Raises `BadFrame`."""
        if self._making is None:
            self._making = asyncio.get_running_loop().create_task(self._begin(Opening.decode(data)))
        elif self._actor is None:
            self._early.append(decode(data))
        else:
            self._actor.receive(decode(data))

    async def _begin(self, opening: Opening) -> None:
        try:
            actor = await self._make(opening.name, opening.incarnation, self._post, opening.description)
        except WeftError as error:
            self._post(Frame(opening.incarnation, 1, 0, Stopped(str(error))))
        except Exception as defect:
            self._failed(defect)
        else:
            self._actor = actor
            for frame in self._early:
                actor.receive(frame)

    def _post(self, frame: Frame) -> None:
        self._send(encode(frame))

    def close(self) -> None:
        """End the actor, or its making."""
        if self._making is not None:
            self._making.cancel()
        if self._actor is not None:
            self._actor.close()
