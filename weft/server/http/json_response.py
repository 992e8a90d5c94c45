"""JSON on its way out."""

import json
from collections.abc import Mapping

from starlette.responses import Response


def to_json(content: object) -> bytes:
    """Compact UTF-8. A lone surrogate, which a client may have sent and which has no UTF-8, becomes "?"."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


class JsonResponse(Response):
    """One JSON value."""

    def __init__(self, content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(to_json(content), status, headers, "application/json")
