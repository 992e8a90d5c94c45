"""Frames over a stream of bytes: each after its length, in one socket that an event loop reads and writes."""

import asyncio
from collections.abc import Callable
from typing import cast

from weft.cluster.wire import MOST_FRAME_BYTES, BadFrame
from weft.observation.conditions import sometimes

UNSENT = sometimes("connection: a frame was dropped because the other side does not read")

MOST_UNSENT_BYTES = 64 << 20
"""Beyond that a frame is dropped, as if a network had lost it; the link sends it again, or gives the replica up."""

LENGTH_BYTES = 4


class FrameStream(asyncio.Protocol):
    """One end. `deliver` is told of the bytes of each frame; `ended`, when nothing more will come, and why, where the
    other side did not just end it. A `BadFrame` that `deliver` raises ends it, too."""

    def __init__(
        self, deliver: Callable[[bytes], object], ended: Callable[[BaseException | None], object]
    ) -> None:
        self._deliver, self._ended = deliver, ended
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._problem: BadFrame | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, frame: bytes) -> None:
        """Put a frame on its way, with all others of this round of the loop; never waits."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._unsent_bytes + self._transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            UNSENT.hit()
            return
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += (len(frame).to_bytes(LENGTH_BYTES), frame)
        self._unsent_bytes += LENGTH_BYTES + len(frame)

    def _flush(self) -> None:
        unsent, self._unsent, self._unsent_bytes = self._unsent, [], 0
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(unsent))

    def close(self) -> None:
        """Send what is to be sent, and end the stream in both directions."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the stream at once."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            self._deliver_whole()
        except BadFrame as problem:
            self._problem = problem
            self.abort()

    def _deliver_whole(self) -> None:
        start, end = 0, len(self._received)
        while end - start >= LENGTH_BYTES:
            length = int.from_bytes(self._received[start : start + LENGTH_BYTES])
            if length > MOST_FRAME_BYTES:
                raise BadFrame(f"a frame of {length} bytes is longer than {MOST_FRAME_BYTES}")
            if end - start < LENGTH_BYTES + length:
                break
            start += LENGTH_BYTES + length
            self._deliver(bytes(self._received[start - length : start]))
        del self._received[:start]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._ended(self._problem or exc)
