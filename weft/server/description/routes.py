"""/openapi.json and /docs."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from weft.server.description.docs_page import docs_page
from weft.server.description.openapi import openapi_document
from weft.server.http.json_response import JsonResponse
from weft.server.operations import Operation


class Description:
    """The server described, on first demand: the start of the server does not wait for it."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations

    @cached_property
    def _document(self) -> dict[str, Any]:
        return openapi_document(self._operations)

    async def document(self, request: Request) -> Response:
        """For programs."""
        return JsonResponse(self._document)

    async def page(self, request: Request) -> Response:
        """For people."""
        return docs_page(self._document)
