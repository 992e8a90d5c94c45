"""HTTP on one connection, with an end to the patience for clients that send or read too slowly.

Of a request's body `bodies.py` takes care; of what a client does not read uvicorn keeps at most some 64 KiB, and lets
the answer wait behind it.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from weft.server.errors import INVALID
from weft.server.patience import Patience

PROBE_AFTER_S, PROBE_EVERY_S, PROBES = 60, 15, 4
"""So a client that vanished without a word, its power cut, is found out within two minutes even where it waits."""
MOST_UNSENT_BYTES = 1 << 16
"""In the kernel, which else takes megabytes for a client that reads nothing before anybody notices."""


class Deadline:
    """Calls `act` once `after_s` have passed since it was set, unless it is cleared before."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after_s: float, act: Callable[[], None]) -> None:
        self._loop, self._after_s, self._act = loop, after_s, act
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Begin to wait, unless it does already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._after_s, self._act)

    def clear(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class HttpProtocol(H11Protocol):
    """One connection. `patience`: set by `protocol_with`."""

    patience = Patience()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading = Deadline(self.loop, self.patience.head_s, self._give_up_reading)
        self._sending = Deadline(self.loop, self.patience.send_s, self._give_up_sending)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _tune(transport.get_extra_info("socket"))
        idle_s = self.patience.idle_s
        self.timeout_keep_alive_task = self.loop.call_later(idle_s, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._limit_reading()

    def _limit_reading(self) -> None:
        """What has begun must end: a head, or the rest of a body that nobody reads any more."""
        is_begun = bool(self.conn.trailing_data[0]) or self.conn.their_state is h11.SEND_BODY
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if is_begun and not is_answering:
            self._reading.set()
        else:
            self._reading.clear()

    def _give_up_reading(self) -> None:
        if self.conn.our_state is h11.IDLE:
            self._refuse(
                408, f"the head of the request did not arrive within {self.patience.head_s:.0f} s", "timeout"
            )
        else:
            self.transport.abort()

    def _give_up_sending(self) -> None:
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending.set()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._sending.clear()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait until the client has read the last answer
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading.clear()
        self._sending.clear()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered as any other mistake, unless an answer is under way already."""
        error = sys.exception()
        if getattr(error, "error_status_hint", 400) == 431:
            self._refuse(431, "the head of the request is too large; send shorter headers", "head_too_large")
        else:
            self._refuse(400, "this is not a valid HTTP/1.1 request", "invalid_http")

    def _refuse(self, status: int, message: str, code: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        error = {"message": message, "type": INVALID, "param": None, "code": code}
        body = json.dumps({"error": error}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        answer = (h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        for event in answer:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def protocol_with(patience: Patience) -> type[HttpProtocol]:
    """The protocol of a server's connections."""
    return type("HttpProtocol", (HttpProtocol,), {"patience": patience})


def _tune(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", PROBE_AFTER_S),
        ("TCP_KEEPINTVL", PROBE_EVERY_S),
        ("TCP_KEEPCNT", PROBES),
        ("TCP_NOTSENT_LOWAT", MOST_UNSENT_BYTES),
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
