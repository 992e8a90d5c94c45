"""The routes without generation: models, probes, metrics."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from weft.server.json_response import JsonResponse
from weft.server.metrics_page import metrics_page
from weft.server.prometheus_text import MEDIA_TYPE
from weft.server.state import Phase, ServerState


class InfoRoutes:
    """What the server says of itself."""

    def __init__(self, state: ServerState, created: int) -> None:
        self._state, self._created = state, created

    async def models(self, request: Request) -> Response:
        """All names under which the model is served."""
        return JsonResponse(
            {"object": "list", "data": [self._model(name) for name in self._state.settings.model_names]}
        )

    async def model(self, request: Request) -> Response:
        """One of them."""
        name = request.path_params["name"]
        self._state.check_model(name)
        return JsonResponse(self._model(name))

    def _model(self, name: str) -> dict[str, object]:
        prompting = self._state.loaded.llm.prompting
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "weft",
            "max_model_len": prompting.max_model_len,
        }

    async def health(self, request: Request) -> Response:
        """200 while the engine is idle or gets on with its work, 503 otherwise."""
        loaded, settings = self._state.loaded, self._state.settings
        standstill_s = loaded.progress.standstill_s(asyncio.get_running_loop().time())
        if loaded.llm.defect is not None:
            return JsonResponse({"status": "stopped by a defect"}, 503)
        if standstill_s > settings.stalled_after_s:
            return JsonResponse({"status": f"no step has ended for {standstill_s:.0f} s"}, 503)
        return JsonResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200 while requests are taken."""
        phase = self._state.phase
        return JsonResponse({"status": phase.value}, 200 if phase is Phase.READY else 503)

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        loaded, name = self._state.loaded, self._state.settings.model_names[0]
        return Response(metrics_page(loaded.metrics, loaded.llm, name), media_type=MEDIA_TYPE)
