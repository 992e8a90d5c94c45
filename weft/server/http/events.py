"""Server-sent events: an answer in pieces."""

from collections.abc import Mapping, Sequence

from starlette.types import Send

from weft.server.http.body_writer import BodyWriter
from weft.server.http.json_response import to_json

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # or nginx holds events back
]


class EventStream:
    """One answer. It begins with the first event: what fails before that still gets a status of its own.

    `names_events`: whether each event is preceded by its name, which is its `type`; else `[DONE]` ends the stream.
    `writer`: of its body, for `write`.
    """

    def __init__(self, send: Send, *, names_events: bool = False, writer: BodyWriter | None = None) -> None:
        self._send, self._names_events, self._writer = send, names_events, writer
        self.has_begun = False

    @property
    def is_ready(self) -> bool:
        """Whether events can be written now, without waiting for the client."""
        return self._writer is not None and self._writer.is_ready

    def write(self, contents: Sequence[Mapping[str, object] | bytes]) -> None:
        """As `event`, at once. It must be ready."""
        assert self._writer is not None
        if contents:
            self._writer.write(b"".join(map(self._framed, contents)))

    async def event(self, *contents: Mapping[str, object] | bytes) -> None:
        """Events of one JSON object each, sent together; bytes are JSON already, for events without names."""
        if contents:
            await self._write(b"".join(map(self._framed, contents)))

    async def end(self) -> None:
        """Everything was told."""
        await self._write(b"" if self._names_events else b"data: [DONE]\n\n", is_last=True)

    async def fail(self, error: Mapping[str, object]) -> None:
        """The answer breaks off: the error is the last event, and no [DONE] follows."""
        await self._write(self._framed(error), is_last=True)

    def _framed(self, content: Mapping[str, object] | bytes) -> bytes:
        if isinstance(content, bytes):
            return b"data: %b\n\n" % content
        name = b"event: %b\n" % str(content["type"]).encode() if self._names_events else b""
        return b"%bdata: %b\n\n" % (name, to_json(content))

    async def _write(self, data: bytes, *, is_last: bool = False) -> None:
        if not self.has_begun:
            self.has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
