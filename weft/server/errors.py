"""What clients are told when something fails: the protocol's status codes and error body.

Messages for clients are ours. What libraries, paths or tracebacks say goes to the log of the server only.
"""

import logging
import re
from collections.abc import Mapping
from math import ceil

from weft.contracts.errors import InvalidRequest, RequestRejected, Unavailable
from weft.llm.prompting import ContextLengthExceeded
from weft.llm.results import RequestAbandoned

log = logging.getLogger("weft.server")

INVALID, AUTHENTICATION, RATE, SERVER = (
    "invalid_request_error",
    "authentication_error",
    "rate_limit_error",
    "server_error",
)
RETRY_UNKNOWN_S = 1.0
"""What `Retry-After` says where the engine cannot estimate yet how fast it is: the first steps take no longer."""


class ApiError(Exception):
    """An answer that is an error. `param`: the field that is to blame; `code`: stable, for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind
        self.param, self.code, self.headers = param, code, dict(headers or {})

    @property
    def body(self) -> dict[str, object]:
        """As OpenAI's protocols have it; `error_formats` has others."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def unavailable(message: str, code: str) -> ApiError:
    """503: not now, perhaps elsewhere or later."""
    return ApiError(503, message, kind=SERVER, code=code, headers={"retry-after": f"{RETRY_UNKNOWN_S:.0f}"})


def stopping() -> ApiError:
    """503: this one will not be finished here."""
    return unavailable("the server has stopped before this request was finished; ask another", "stopping")


def api_error(error: Exception) -> ApiError:
    """What to tell a client of an error; what it must not know is logged."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ContextLengthExceeded):
        return ApiError(400, str(error), param=_blamed(error), code="context_length_exceeded")
    if isinstance(error, InvalidRequest):
        return ApiError(400, str(error), param=_blamed(error), code="invalid_value")
    if isinstance(error, Unavailable):
        return unavailable(error.reason, "unavailable")
    if isinstance(error, RequestRejected):
        return _busy(error)
    if isinstance(error, RequestAbandoned):
        return stopping()
    log.error("a request failed", exc_info=error)
    return ApiError(
        500, "the request failed inside the server; its log says why", kind=SERVER, code="internal_error"
    )


def _blamed(error: InvalidRequest) -> str | None:
    """Complaints about one field begin with its name, and then say what it is: "top_p is 3; …"."""
    match = re.match(r"([a-z_]+)(?:[\[.][^ ]*)? (?:is|has) ", str(error))
    return match[1] if match else None


def _busy(error: RequestRejected) -> ApiError:
    """Only too much waiting work leads here: the cache has room for any request that the model can take."""
    wait_s = RETRY_UNKNOWN_S if error.retry_after_s is None else error.retry_after_s
    milliseconds = max(1, ceil(1000 * wait_s))  # OpenAI's clients read both, and prefer the finer
    headers = {"retry-after": str(max(1, ceil(wait_s))), "retry-after-ms": str(milliseconds)}
    return ApiError(429, error.reason, kind=RATE, code="overloaded", headers=headers)
