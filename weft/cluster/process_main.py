"""What runs in the process of a replica: `python -m MODULE FD`, where `MODULE` calls `run_replica`.

`FD` is a socket. The router's side sends a description on it, in JSON, and frames from then on. The process ends with
this stream, and so with whoever started it.
"""

import asyncio
import ctypes
import json
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from weft.cluster.framing import FrameStream
from weft.cluster.in_process import LocalActor
from weft.cluster.messages import Frame, Stopped
from weft.cluster.wire import BadFrame, decode, encode
from weft.contracts.errors import WeftError

PR_SET_PDEATHSIG = 1
"""Linux: prctl(2)."""

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


def run_replica(make: MakeReplica) -> None:
    """Be the replica that the process's starter describes, until the stream from there ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's: the router says when its replicas end
    _end_with_starter()
    connected = socket.socket(fileno=int(sys.argv[1]))
    connected.set_inheritable(False)
    asyncio.run(_run(make, connected))


def _end_with_starter() -> None:
    """Also where this process is stopped or busy then. On other systems than Linux only the end of the stream tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def _run(make: MakeReplica, connected: socket.socket) -> None:
    host = _Host(make)
    await asyncio.get_running_loop().create_connection(lambda: host.stream, sock=connected)
    try:
        await host.is_over
    finally:
        host.close()


class _Host:
    """Makes the actor of the first frame, and hands it the others."""

    def __init__(self, make: MakeReplica) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self.is_over: asyncio.Future[None] = self._loop.create_future()
        self.stream = FrameStream(self._take, self._end)
        self._making: asyncio.Task[None] | None = None
        self._actor: LocalActor | None = None
        self._early: list[Frame] = []

    def close(self) -> None:
        """End the actor, or its making."""
        if self._making is not None:
            self._making.cancel()
        if self._actor is not None:
            self._actor.close()

    def _end(self, problem: BaseException | None) -> None:
        if self.is_over.done():
            return
        if problem is None or isinstance(problem, OSError):
            self.is_over.set_result(None)
        else:
            self.is_over.set_exception(problem)

    def _take(self, data: bytes) -> None:
        if self._making is None:
            self._making = self._loop.create_task(self._begin(Opening.decode(data)))
        elif self._actor is None:
            self._early.append(decode(data))
        else:
            self._actor.receive(decode(data))

    async def _begin(self, opening: Opening) -> None:
        try:
            actor = await self._make(opening.name, opening.incarnation, self._send, opening.description)
        except WeftError as error:
            self._send(Frame(opening.incarnation, 1, 0, Stopped(str(error))))
        except Exception as defect:
            self._end(defect)
        else:
            self._actor = actor
            for frame in self._early:
                actor.receive(frame)

    def _send(self, frame: Frame) -> None:
        self.stream.send(encode(frame))
