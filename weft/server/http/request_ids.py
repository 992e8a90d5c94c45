"""Every answer names its request, by the client's own name for it or one of ours."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.server.error_formats import REQUEST_ID, error_response
from weft.server.errors import ApiError

HEADER = b"x-request-id"
_REPEATABLE = re.compile(rb"[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?")


class RequestIds:
    """Around the application: the header `x-request-id` of a request, else a random name, goes into its scope and
    into the headers of its answer; `request-id` repeats it, for that is what Anthropic's clients read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        given = [value for name, value in scope["headers"] if name.lower() == HEADER]
        is_good = len(given) == 1 and _REPEATABLE.fullmatch(given[0]) is not None
        named = given[0] if is_good else f"req_{secrets.token_hex(16)}".encode()

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (HEADER, named), (b"request-id", named)]
                message = {**message, "headers": headers}
            await send(message)

        scope = {**scope, REQUEST_ID: named.decode()}
        app = self._app if is_good or not given else error_response(_BAD_ID, scope)
        await app(scope, receive, send_named)


_BAD_ID = ApiError(
    400,
    "the header x-request-id is not one name of 1 to 128 printable ASCII characters; send such a one, or none",
    code="invalid_request_id",
)
