"""The routes of /v1/responses."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from weft.llm.language_model import LanguageModel
from weft.server.callers.caller import tenant_of
from weft.server.errors import ApiError
from weft.server.http.json_response import JsonResponse
from weft.server.protocol.fields import RequestFields
from weft.server.protocol.generation_route import GenerationRoute
from weft.server.responses.dialect import ResponsesDialect, no_response
from weft.server.responses.schema import ResponsesBody
from weft.server.responses.store import ResponseStore
from weft.server.state import ServerState

RETRIEVAL = {"include", "include_obfuscation", "starting_after", "stream"}
"""Options of retrieving, which the protocol documents and nobody supports here."""


class ResponsesRoute(GenerationRoute):
    """Creates responses."""

    def __init__(self, state: ServerState, store: ResponseStore) -> None:
        super().__init__(state, ResponsesDialect)
        self._store = store

    def _make_dialect(self, llm: LanguageModel, body: RequestFields, scope: Scope) -> ResponsesDialect:
        assert isinstance(body, ResponsesBody)
        return ResponsesDialect(llm, body, self._store, tenant_of(scope))


class StoredResponses:
    """Retrieves and deletes those of the caller's tenant."""

    def __init__(self, store: ResponseStore) -> None:
        self._store = store

    async def answer(self, request: Request) -> Response:
        """GET or DELETE of one."""
        response_id: str = request.path_params["response_id"]
        tenant = tenant_of(request.scope)
        found = self._delete if request.method == "DELETE" else self._retrieve
        return JsonResponse(found(tenant, response_id, dict(request.query_params)))

    def _retrieve(self, tenant: str, response_id: str, options: dict[str, str]) -> dict[str, Any]:
        for name, value in options.items():
            if value != "false" or name not in RETRIEVAL:
                problem = "is not supported" if name in RETRIEVAL else "is unknown"
                raise ApiError(
                    400,
                    f"the option {name[:60]!r} {problem}; leave it out",
                    param=name[:60],
                    code="unsupported",
                )
        response = self._store.response(tenant, response_id)
        if response is None:
            raise no_response("response_id", response_id)
        return response

    def _delete(self, tenant: str, response_id: str, options: dict[str, str]) -> dict[str, Any]:
        if not self._store.delete(tenant, response_id):
            raise no_response("response_id", response_id)
        return {"id": response_id, "object": "response", "deleted": True}
