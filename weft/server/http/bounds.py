"""Around the application: what bounds every request, whatever it asks for."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.server.error_formats import error_response
from weft.server.errors import ApiError, stopping

MOST_HEADERS = 100
MOST_HEADER_BYTES = 16 << 10
"""Of all names and values: twice what proxies allow. With a path, fits what `http_protocol.py` takes at once."""
MOST_PATH_BYTES = 8 << 10


class Bounds:
    """Refuses heads that are too large. A request that is cancelled, for that is how the server ends those that are
    left when it stops, is still answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        refusal = _check(scope)
        try:
            app = self._app if refusal is None else error_response(refusal, scope)
            await app(scope, receive, send_noting)
        except asyncio.CancelledError:
            if has_begun:
                raise
            await error_response(stopping(), scope)(scope, receive, send)


def _check(scope: Scope) -> ApiError | None:
    headers = scope["headers"]
    if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_PATH_BYTES:
        return ApiError(414, f"the path is longer than {MOST_PATH_BYTES} bytes", code="path_too_long")
    if len(headers) > MOST_HEADERS:
        message = f"the request has {len(headers)} headers; send at most {MOST_HEADERS}"
        return ApiError(431, message, code="head_too_large")
    if sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
        return ApiError(
            431, f"the headers are larger than {MOST_HEADER_BYTES} bytes; send less", code="head_too_large"
        )
    return None
