"""The routes without generation: models, probes, metrics."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from weft.contracts.version import __version__
from weft.server.health.metrics_page import metrics_page
from weft.server.health.prometheus_text import MEDIA_TYPE
from weft.server.http.json_response import JsonResponse
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
        llm = self._state.loaded.llm
        told: dict[str, object] = {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "weft",
            "max_model_len": llm.prompting.max_model_len,
        }
        return told if llm.emulates is None else {**told, "emulates": llm.emulates}

    async def health(self, request: Request) -> Response:
        """200 while the engine is idle or gets on with its work, 503 otherwise."""
        loaded = self._state.loaded
        if loaded.llm.defect is not None:
            return JsonResponse({"status": "stopped by a defect"}, 503)
        problem = loaded.progress.problem(asyncio.get_running_loop().time())
        return JsonResponse({"status": problem or "ok"}, 503 if problem else 200)

    async def ready(self, request: Request) -> Response:
        """200 while requests are taken, and are getting on."""
        phase = self._state.phase
        if phase is not Phase.READY:
            return JsonResponse({"status": phase.value}, 503)
        loaded = self._state.loaded
        now_s = asyncio.get_running_loop().time()
        if loaded.llm.defect is not None or loaded.progress.problem(now_s) or loaded.progress.is_slow(now_s):
            return JsonResponse({"status": "stalled"}, 503)
        return JsonResponse({"status": phase.value})

    async def load(self, request: Request) -> Response:
        """Requests that have not been answered, under vLLM's name."""
        return JsonResponse({"server_load": self._state.num_in_progress})

    async def version(self, request: Request) -> Response:
        """Which server this is."""
        return JsonResponse({"version": __version__})

    async def metrics(self, request: Request) -> Response:
        """For Prometheus."""
        loaded, name = self._state.loaded, self._state.settings.model_names[0]
        return Response(metrics_page(loaded.metrics, loaded.llm, name), media_type=MEDIA_TYPE)
