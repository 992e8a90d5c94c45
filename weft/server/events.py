"""Server-sent events: an answer in pieces."""

from starlette.types import Send

from weft.server.errors import ApiError
from weft.server.json_response import to_json

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # or nginx holds events back
]


class EventStream:
    """One answer. It begins with the first event: what fails before that still gets a status of its own."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def event(self, *contents: object) -> None:
        """Events of one JSON value each, sent together."""
        if contents:
            await self._write(b"".join(b"data: %b\n\n" % to_json(content) for content in contents))

    async def end(self) -> None:
        """Everything was told."""
        await self._write(b"data: [DONE]\n\n", is_last=True)

    async def fail(self, error: ApiError) -> None:
        """The answer breaks off: the error is the last event, and no [DONE] follows."""
        await self._write(b"data: %b\n\n" % to_json(error.body), is_last=True)

    async def _write(self, data: bytes, *, is_last: bool = False) -> None:
        if not self.has_begun:
            self.has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
