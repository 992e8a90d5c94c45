"""Bodies of requests: read up to a limit, parsed against a schema."""

import asyncio
import difflib
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.types import Receive, Scope

from weft.server.errors import ApiError
from weft.server.http.connection import ClientGone
from weft.server.http.schema_places import MOST_SHOWN, Place, find_place

MOST_BODY_BYTES = 8 << 20
"""A prompt of a million tokens takes about half of this."""
LARGE_BODY_BYTES = 1 << 16
"""From here on a body is parsed in a thread: below, that takes less than a millisecond."""

Body = TypeVar("Body", bound=BaseModel)


MOST_DISCARDED_BYTES = 64 << 20
"""Of a body that is too large, so much is read and thrown away: a client that still sends cannot read the answer."""
READ_TIMEOUT_S = 60.0
"""For the whole body: long enough for the largest at 1 Mbit/s; shorter than forever, or such clients pile up."""


async def read_body(scope: Scope, receive: Receive, most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """The body of a request that declares JSON. Raises `ApiError` 408, 413 and 415, `ClientGone`."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json":
        # Also keeps foreign web pages out: a browser asks us before it lets them send JSON.
        raise ApiError(415, "the body must be JSON; send the header 'Content-Type: application/json'")
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > MOST_DISCARDED_BYTES:
        raise _too_large(most_bytes)
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await _receive(receive, most_bytes)
    except TimeoutError:
        raise ApiError(
            408, f"the body did not arrive within {READ_TIMEOUT_S:.0f} s", code="timeout"
        ) from None


async def _receive(receive: Receive, most_bytes: int) -> bytes:
    kept, num_bytes, is_more = bytearray(), 0, True
    while is_more and num_bytes <= MOST_DISCARDED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        num_bytes += len(chunk)
        if num_bytes <= most_bytes:
            kept += chunk
        is_more = message.get("more_body", False)
    if num_bytes > most_bytes:
        raise _too_large(most_bytes)
    return bytes(kept)


def _too_large(most_bytes: int) -> ApiError:
    return ApiError(413, f"the body is larger than {most_bytes} bytes; send less", code="body_too_large")


async def parse_body(schema: type[Body], body: bytes) -> Body:
    """The body as an object of the schema. Raises `ApiError` 400, naming the field and what is allowed."""
    if len(body) >= LARGE_BODY_BYTES:
        return await asyncio.to_thread(_parse, schema, body)
    return _parse(schema, body)


def _parse(schema: type[Body], body: bytes) -> Body:
    try:
        return schema.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(schema, error.errors(include_url=False)[0]) from None


def _refusal(schema: type[BaseModel], detail: ErrorDetails) -> ApiError:
    """The first thing that is wrong, in a sentence."""
    kind, location = detail["type"], detail["loc"]
    if kind == "json_invalid":
        problem = str(detail.get("ctx", {}).get("error", "")) or "it does not parse"
        message = f"the body is not valid JSON: {problem}; send an object, in UTF-8"
        return ApiError(400, message, code="invalid_json")
    if not location:
        return ApiError(400, "the body must be a JSON object", code="invalid_json")
    place = find_place(schema, location)
    if kind in ("missing", "union_tag_not_found"):
        name = place.name if kind == "missing" else f"{place.name}.type"
        return ApiError(400, f"{name} is missing; it is required", param=place.top, code="missing")
    if kind == "extra_forbidden":
        return _unknown(place)
    message = f"{place.name} is {_shown(detail['input'])}; {_allowed(detail)}"
    if kind == "union_tag_invalid":
        tag, tags = detail["ctx"]["tag"], detail["ctx"]["expected_tags"]
        message = f"{place.name}.type is {_shown(tag)}; supported are {tags}"
    code = "unsupported" if kind in ("unsupported", "union_tag_invalid") else "invalid_value"
    return ApiError(400, message, param=place.top, code=code)


def _unknown(place: Place) -> ApiError:
    name, last = place.name[:MOST_SHOWN], place.last[:MOST_SHOWN]
    nearest = difflib.get_close_matches(last, place.known, n=1, cutoff=0.0)
    return ApiError(
        400,
        f"field {name!r} is unknown; the nearest that is known is {nearest[0]!r}",
        param=name,
        code="unknown_field",
    )


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"a {_kind(value)}"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _kind(value: Any) -> str:
    return {"dict": "object", "list": "list"}.get(type(value).__name__, "value")


def _allowed(detail: ErrorDetails) -> str:
    """Messages of the schema begin with what they are about, which our sentence has named already."""
    return re.sub(r"^(Input|String|List|Dictionary|Value|Keys) (should|must)", "it must", detail["msg"])
