"""HTTP on one connection, stricter than its parser, and with an end to the patience for clients that send or read too
slowly.

Of a request's body `bodies.py` takes care; of what a client does not read uvicorn keeps at most some 64 KiB, and lets
the answer wait behind it.
"""

import asyncio
import json
import socket
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from weft.server.errors import INVALID
from weft.server.http.body_writer import BODY_WRITER, HEARD_S, BodyWriter
from weft.server.http.patience import Patience

PROBE_AFTER_S, PROBE_EVERY_S, PROBES = 60, 15, 4
"""So a client that vanished without a word, its power cut, is found out within two minutes even where it waits."""
MOST_UNSENT_BYTES = 1 << 16
"""In the kernel, which else takes megabytes for a client that reads nothing before anybody notices."""
MOST_UNFINISHED_BYTES = 1 << 16
"""That have come without finishing a head or being part of a body: what the parser keeps until then."""


class HttpProtocol(HttpToolsProtocol):
    """One connection. `patience`: set by `protocol_with`."""

    patience = Patience()

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None
        self._is_in_head = self._is_in_message = False
        self._num_unfinished_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _tune(transport.get_extra_info("socket"))
        idle_s = self.patience.idle_s
        self.timeout_keep_alive_task = self.loop.call_later(idle_s, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        self._num_unfinished_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except HttpParserError:
            self._refuse(400, "this is not a valid HTTP/1.1 request", "invalid_http")
            return
        if self._num_unfinished_bytes > MOST_UNFINISHED_BYTES:
            self._refuse(431, "the head of the request is too large; send shorter headers", "head_too_large")
        else:
            self._limit_reading()

    def _feed(self, data: bytes) -> None:
        """A wish to speak another protocol, which some clients add to any request, is passed over: the parser stops
        behind such a head, and another one is given the head without the wish, and what follows."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = HttpRequestParser(self)

    def _head_without_upgrade(self) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (self.parser.get_method(), self.url)]
        lines += [b"%b: %b" % each for each in self.headers if each[0] not in (b"connection", b"upgrade")]
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = self._is_in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # what follows a body in pieces is no header that anybody has checked
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._num_unfinished_bytes = False, 0
        version, num_hosts = self.parser.get_http_version(), sum(name == b"host" for name, _ in self.headers)
        if version not in ("1.0", "1.1") or num_hosts > 1 or (version == "1.1" and num_hosts == 0):
            raise HttpParserError("not HTTP/1.x, or not exactly one host")
        if self.parser.get_method() == b"CONNECT":
            raise HttpParserError("not a proxy")
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self.cycle.scope["state"].update({BODY_WRITER: BodyWriter(self.cycle), HEARD_S: self.loop.time()})

    def on_body(self, body: bytes) -> None:
        self._num_unfinished_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_message, self._num_unfinished_bytes = False, 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._limit_reading()

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # None before the first request, whatever uvicorn declares
        return cycle is not None and not cycle.response_complete

    def _limit_reading(self) -> None:
        """What has begun must end: a head, or the rest of a body that nobody reads any more."""
        if not self._is_in_message or self._is_answering:
            _cancel(self._reading)
            self._reading = None
        elif self._reading is None:
            self._reading = self.loop.call_later(self.patience.head_s, self._give_up_reading)

    def _give_up_reading(self) -> None:
        if self._is_in_head:
            self._refuse(
                408, f"the head of the request did not arrive within {self.patience.head_s:.0f} s", "timeout"
            )
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._sending = self.loop.call_later(self.patience.send_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _cancel(self._sending)

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait until the client has read the last answer
        else:
            super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._reading, self._sending):
            _cancel(timer)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _refuse(self, status: int, message: str, code: str) -> None:
        """As any other mistake is answered, unless an answer is under way already."""
        if self._is_answering and (self.cycle.response_started or self.pipeline):
            self.transport.abort()
            return
        error = {"message": message, "type": INVALID, "param": None, "code": code}
        body = json.dumps({"error": error}).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(
            body
        )
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
        if self._is_answering:
            self.cycle.disconnected = True  # so that no other answer follows


def protocol_with(patience: Patience) -> type[HttpProtocol]:
    """The protocol of a server's connections."""
    return type("HttpProtocol", (HttpProtocol,), {"patience": patience})


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


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
