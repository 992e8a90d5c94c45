"""The body of an answer in pieces, written past ASGI: a call per piece, where ASGI takes several and an object."""

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

BODY_WRITER = "weft.body_writer"
"""Where the state of a request's scope holds its `BodyWriter`, if its server has one."""

HEARD_S = "weft.heard_s"
"""Where it holds when the request's head was read, on the loop's clock."""


class BodyWriter:
    """Of one answer, whose head is sent by ASGI as ever, and so is its end."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    @property
    def is_ready(self) -> bool:
        """Whether it goes out in pieces, has begun and not ended, and its client keeps up with reading: what the socket
        has not taken yet is below uvicorn's bound."""
        cycle = self._cycle
        return (
            cycle.response_started
            and cycle.chunked_encoding is True
            and not (cycle.response_complete or cycle.disconnected or cycle.flow.write_paused)
        )

    def write(self, data: bytes) -> None:
        """A piece, not empty. It must be ready."""
        self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
