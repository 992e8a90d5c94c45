"""One process that runs a replica, and the stream to it."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from weft.cluster.framing import FrameStream
from weft.cluster.wire import BadFrame

LAST_WORDS_S = 1.0
"""Of a process that has ended, or hung up, the rest comes at once; or it is not waited for."""

MOST_LINE_BYTES = 1 << 16


class ChildProcess(asyncio.SubprocessProtocol):
    """`deliver` is told of each frame's bytes; `say`, of each line that the process writes, after its name."""

    def __init__(
        self,
        name: str,
        incarnation: int,
        deliver: Callable[["ChildProcess", bytes], object],
        say: Callable[[str], object],
    ) -> None:
        self.name, self.incarnation, self._say = name, incarnation, say
        self._loop = asyncio.get_running_loop()
        self._has_exited: asyncio.Future[int] = self._loop.create_future()
        self._has_hung_up: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._has_closed: asyncio.Future[None] = self._loop.create_future()
        self.stream = FrameStream(lambda data: deliver(self, data), self._has_hung_up.set_result)
        self._line = b""

    async def start(self, command: Sequence[str]) -> None:
        """Raises `OSError`."""
        ours, theirs = socket.socketpair()
        await self._loop.create_connection(lambda: self.stream, sock=ours)
        with theirs:
            try:
                await self._spawn((*command, str(theirs.fileno())), theirs.fileno())
            except BaseException:
                self.stream.abort()
                raise

    async def _spawn(self, command: Sequence[str], kept: int) -> None:
        """Frames do not go over its standard output: libraries write there."""
        await self._loop.subprocess_exec(
            lambda: self,
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(kept,),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    @property
    def process_id(self) -> int:
        """As the system knows it."""
        return self._transport.get_pid()

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self._has_exited.done():
            with suppress(ProcessLookupError):  # it has, and the loop is about to be told
                os.kill(self.process_id, number)

    async def ended(self) -> str:
        """Wait until the process has ended, and all frames that it sent have been delivered; why it is gone. One that
        only hangs up is killed."""
        both = (self._has_exited, self._has_hung_up)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if self._problem is None:
            await asyncio.wait(both, timeout=LAST_WORDS_S)
        is_alive = not self._has_exited.done()
        self.kill()
        self.stream.abort()
        await asyncio.wait(both)
        if self._problem is not None:
            return f"it sent what is no message: {self._problem}"
        return "its process hung up" if is_alive else _named(self._has_exited.result())

    @property
    def _problem(self) -> BadFrame | None:
        problem = self._has_hung_up.result() if self._has_hung_up.done() else None
        return problem if isinstance(problem, BadFrame) else None

    async def closed(self) -> None:
        """Wait until all that it wrote has been said."""
        await asyncio.wait((self._has_closed,), timeout=LAST_WORDS_S)  # its own children may have its output
        self._transport.close()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > MOST_LINE_BYTES:
            lines, self._line = [*lines, self._line], b""
        for line in lines:
            self._say(f"{self.name}: {line.decode(errors='replace')}")

    def process_exited(self) -> None:
        self._has_exited.set_result(cast(int, self._transport.get_returncode()))

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._line:
            self.pipe_data_received(1, b"\n")
        self._has_closed.set_result(None)


def _named(status: int) -> str:
    if status >= 0:
        return f"its process ended with status {status}"
    return f"its process ended by signal {-status} ({signal.Signals(-status).name})"
