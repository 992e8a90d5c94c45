"""The application: all routes behind the gate."""

import time

from starlette.routing import Router
from starlette.types import ASGIApp

from weft.server.callers.gate import Gate
from weft.server.callers.keys import ApiKeys
from weft.server.chat.dialect import ChatDialect
from weft.server.completions.dialect import CompletionDialect
from weft.server.description.routes import Description
from weft.server.embeddings.route import EmbeddingsRoute
from weft.server.embeddings.schema import EmbeddingsBody
from weft.server.health.prometheus_text import MEDIA_TYPE
from weft.server.http.bounds import Bounds
from weft.server.http.json_route import JsonRoute
from weft.server.http.request_ids import RequestIds
from weft.server.messages.dialect import MessagesDialect
from weft.server.messages.routes import MessagesRoute, count_tokens
from weft.server.messages.schema import CountTokensBody
from weft.server.operations import Operation
from weft.server.protocol.generation_route import GenerationRoute
from weft.server.responses.dialect import ResponsesDialect
from weft.server.responses.routes import ResponsesRoute, StoredResponses
from weft.server.responses.store import ResponseStore
from weft.server.routes import InfoRoutes
from weft.server.state import ServerState
from weft.server.tokenize.routes import detokenize, tokenize
from weft.server.tokenize.schema import DetokenizeBody, TokenizeBody


def make_app(state: ServerState) -> ASGIApp:
    """An ASGI application that answers by this state."""
    operations = [*_generations(state), *_stored_responses(state), *_readings(state), *_information(state)]
    description = Description(operations)
    operations += [
        Operation("GET", "/openapi.json", description.document, "This description of the server."),
        Operation("GET", "/docs", description.page, "The same for people.", media_type="text/html"),
    ]
    # a redirected POST loses its body with many clients
    router = Router([each.route for each in operations], redirect_slashes=False)
    paths = list(dict.fromkeys(each.shown_path for each in operations))
    keys = ApiKeys(state.settings.api_keys)
    return RequestIds(Bounds(Gate(router, keys, paths, any_host=state.settings.allow_unauthenticated)))


def _generations(state: ServerState) -> list[Operation]:
    """Routes that make a model speak."""
    chat, completion = GenerationRoute(state, ChatDialect), GenerationRoute(state, CompletionDialect)
    return [
        Operation(
            "POST", "/v1/chat/completions", chat, "Answers a conversation.", ChatDialect.schema, "work", True
        ),
        Operation(
            "POST",
            "/v1/completions",
            completion,
            "Continues prompts.",
            CompletionDialect.schema,
            "work",
            True,
        ),
        Operation(
            "POST",
            "/v1/messages",
            MessagesRoute(state),
            "Answers a conversation in Anthropic's protocol.",
            MessagesDialect.schema,
            "work",
            streams=True,
        ),
    ]


def _stored_responses(state: ServerState) -> list[Operation]:
    """Routes around answers that are kept."""
    store = ResponseStore()
    stored, path = StoredResponses(store), "/v1/responses/{response_id}"
    return [
        Operation(
            "POST",
            "/v1/responses",
            ResponsesRoute(state, store),
            "Answers a conversation of items, and keeps the answer.",
            ResponsesDialect.schema,
            "work",
            streams=True,
        ),
        Operation("GET", path, stored.answer, "An answer that was kept."),
        Operation("DELETE", path, stored.answer, "Forgets an answer."),
    ]


def _readings(state: ServerState) -> list[Operation]:
    """Routes that read without answering."""
    counting = JsonRoute(state, CountTokensBody, count_tokens)
    reading, telling = JsonRoute(state, TokenizeBody, tokenize), JsonRoute(state, DetokenizeBody, detokenize)
    embedding = EmbeddingsRoute(state)
    return [
        Operation("POST", "/v1/embeddings", embedding, "A vector for each text.", EmbeddingsBody, "work"),
        Operation(
            "POST",
            "/v1/messages/count_tokens",
            counting,
            "How long the prompt of a conversation is.",
            CountTokensBody,
            "work",
        ),
        Operation("POST", "/tokenize", reading, "A text or a conversation as tokens.", TokenizeBody, "work"),
        Operation("POST", "/detokenize", telling, "Tokens as text.", DetokenizeBody, "work"),
    ]


def _information(state: ServerState) -> list[Operation]:
    """What the server says of itself."""
    info = InfoRoutes(state, int(time.time()))
    return [
        Operation("GET", "/v1/models", info.models, "Names of the model.", needs="model"),
        Operation("GET", "/v1/models/{name:path}", info.model, "One of its names.", needs="model"),
        Operation("GET", "/health", info.health, "Whether the engine gets on.", needs="model"),
        Operation("GET", "/ready", info.ready, "Whether new requests are taken.", needs="model"),
        Operation("GET", "/load", info.load, "How many requests are under way."),
        Operation("GET", "/version", info.version, "The version of the server."),
        Operation(
            "GET", "/metrics", info.metrics, "Metrics for Prometheus.", needs="model", media_type=MEDIA_TYPE
        ),
    ]
