"""Errors in the format of the protocol whose route was asked."""

from starlette.types import Scope

from weft.server.errors import ApiError
from weft.server.http.json_response import JsonResponse

REQUEST_ID = "weft.request_id"
"""Where the scope of a request holds its name (`RequestIds`)."""
MESSAGES_PATH = "/v1/messages"
"""What lies here and below speaks Anthropic's protocol, everything else OpenAI's."""
KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
}
"""Anthropic's types of error by status; others are "invalid_request_error"."""


def error_response(error: ApiError, scope: Scope) -> JsonResponse:
    """The whole answer that is an error."""
    body = messages_error(error, scope[REQUEST_ID]) if speaks_messages(scope) else error.body
    return JsonResponse(body, error.status, error.headers)


def speaks_messages(scope: Scope) -> bool:
    """Whether a request is in Anthropic's protocol."""
    path: str = scope["path"]
    return path == MESSAGES_PATH or path.startswith(f"{MESSAGES_PATH}/")


def messages_error(error: ApiError, request_id: str) -> dict[str, object]:
    """As Anthropic's protocol has it, for answers and for the event that breaks off a stream."""
    kind = KINDS.get(error.status, "invalid_request_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": error.message},
        "request_id": request_id,
    }
