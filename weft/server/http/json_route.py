"""Routes that answer a body with JSON, without generation."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from starlette.types import Receive, Scope, Send

from weft.server.http.bodies import parse_body, read_body
from weft.server.http.connection import while_connected
from weft.server.http.json_response import JsonResponse
from weft.server.protocol.dialect import Json
from weft.server.protocol.fields import Strict
from weft.server.state import ServerState

JsonBody = TypeVar("JsonBody", bound=Strict)


class JsonRoute(Generic[JsonBody]):
    """An ASGI application. `answer` may raise what `api_error` knows; it is cancelled where the client leaves."""

    def __init__(
        self,
        state: ServerState,
        schema: type[JsonBody],
        answer: Callable[[ServerState, JsonBody], Awaitable[Json]],
    ) -> None:
        self._state, self._answer, self.schema = state, answer, schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._state.admit()
        try:
            raw = await read_body(scope, receive, self._state.settings.most_body_bytes)
            await while_connected(receive, self._tell(raw, scope, receive, send))
        finally:
            self._state.leave()

    async def _tell(self, raw: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        body = await parse_body(self.schema, raw)
        await JsonResponse(await self._answer(self._state, body))(scope, receive, send)
