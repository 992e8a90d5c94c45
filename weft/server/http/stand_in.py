"""HTTP by hand, for while nobody else can answer: one short answer for each connection, and it is closed."""

import json
import selectors
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

MOST_CONNECTIONS = 64
MOST_HEAD_BYTES = 8 << 10
GLANCE_S = 0.05
CONNECTION_S = 2.0
"""From accepting a connection to closing it, whatever it has sent by then."""

REASONS = {200: "OK", 503: "Service Unavailable"}


class Answer(NamedTuple):
    """What a path gets."""

    status: int
    body: Mapping[str, object]


class _Visitor:
    def __init__(self) -> None:
        self.head = b""
        self.until_s = time.monotonic() + CONNECTION_S
        self.is_answered = False


class StandIn:
    """Accepts from a socket that somebody else listens on, beside or instead of them."""

    def __init__(self, listener: socket.socket, answer: Callable[[str], Answer]) -> None:
        self._listener, self._answer = listener, answer
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._visitors: dict[socket.socket, _Visitor] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in list(self._visitors):
            self._drop(connection)
        self._selector.close()

    def serve(self, seconds: float, is_wanted: Callable[[], bool]) -> None:
        """Answer what comes within this time, as long as that is wanted."""
        until_s = time.monotonic() + seconds
        while is_wanted() and (left_s := until_s - time.monotonic()) > 0:
            for key, _ in self._selector.select(min(left_s, GLANCE_S)):
                if key.fileobj is self._listener:
                    if is_wanted():
                        self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
            self._drop_the_slow()

    def _accept(self) -> None:
        with suppress(OSError):  # the loop was faster, or the visitor has left
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            if len(self._visitors) >= MOST_CONNECTIONS:
                self._drop(next(iter(self._visitors)))
            self._visitors[connection] = _Visitor()
            self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        visitor = self._visitors.get(connection)
        if visitor is None:
            return
        try:
            data = connection.recv(MOST_HEAD_BYTES)
            if not data:
                self._drop(connection)
            elif not visitor.is_answered:
                visitor.head += data
                if b"\r\n\r\n" in visitor.head or len(visitor.head) >= MOST_HEAD_BYTES:
                    self._reply(connection, visitor)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)

    def _reply(self, connection: socket.socket, visitor: _Visitor) -> None:
        """It is closed once the visitor has closed its side: what is unread then would undo the answer."""
        visitor.is_answered = True
        words = visitor.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        path = words[1].partition("?")[0] if len(words) > 1 else ""
        connection.send(_http(self._answer(path), has_body=words[0] != "HEAD"))
        connection.shutdown(socket.SHUT_WR)

    def _drop_the_slow(self) -> None:
        now_s = time.monotonic()
        for connection in [each for each, visitor in self._visitors.items() if visitor.until_s < now_s]:
            self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        del self._visitors[connection]
        self._selector.unregister(connection)
        connection.close()


def _http(answer: Answer, *, has_body: bool) -> bytes:
    body = json.dumps(answer.body).encode()
    head = (
        f"HTTP/1.1 {answer.status} {REASONS[answer.status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")
