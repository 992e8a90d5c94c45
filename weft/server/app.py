"""The application: all routes behind the gate."""

import time

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from weft.server.chat_dialect import ChatDialect
from weft.server.completion_dialect import CompletionDialect
from weft.server.gate import Gate
from weft.server.generation_route import GenerationRoute
from weft.server.routes import InfoRoutes
from weft.server.state import ServerState


def make_app(state: ServerState) -> ASGIApp:
    """An ASGI application that answers by this state."""
    info = InfoRoutes(state, int(time.time()))
    routes = [
        Route("/v1/chat/completions", GenerationRoute(state, ChatDialect), methods=["POST"]),
        Route("/v1/completions", GenerationRoute(state, CompletionDialect), methods=["POST"]),
        Route("/v1/models", info.models, methods=["GET"]),
        Route("/v1/models/{name:path}", info.model, methods=["GET"]),
        Route("/health", info.health, methods=["GET"]),
        Route("/ready", info.ready, methods=["GET"]),
        Route("/metrics", info.metrics, methods=["GET"]),
    ]
    router = Router(routes, redirect_slashes=False)  # a redirected POST loses its body with many clients
    return Gate(router, state.settings.api_keys, [route.path for route in routes])
