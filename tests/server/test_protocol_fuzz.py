"""Whatever is sent to the routes of the newer protocols, the server stays up and answers in their format."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.live_server import NAME, LiveServer
from weft.server.messages.schema import CountTokensBody, MessagesBody
from weft.server.responses.schema import ResponsesBody
from weft.server.tokenize.schema import DetokenizeBody, TokenizeBody

TURNS = [{"role": "user", "content": "tea?"}]
ROUTES: dict[str, tuple[Any, dict[str, Any]]] = {
    "/v1/messages": (MessagesBody, {"model": NAME, "max_tokens": 2, "messages": TURNS}),
    "/v1/messages/count_tokens": (CountTokensBody, {"model": NAME, "messages": TURNS}),
    "/v1/responses": (ResponsesBody, {"model": NAME, "max_output_tokens": 2, "input": "tea?"}),
    "/tokenize": (TokenizeBody, {"prompt": "tea?"}),
    "/detokenize": (DetokenizeBody, {"tokens": [5, 6]}),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
TYPE = st.sampled_from(
    [
        "text",
        "thinking",
        "tool_use",
        "tool_result",
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
    ]
)
NAMES = [
    *("role", "content", "text", "id", "call_id", "tool_use_id", "name", "input", "arguments", "output"),
    *("summary", "thinking", "signature", "is_error", "status"),
]
VALUE = JSON | st.sampled_from(["user", "assistant", "a", "{}", [{"type": "input_text", "text": "a"}]])
PART = st.dictionaries(st.sampled_from(NAMES), VALUE, max_size=4).flatmap(
    lambda part: TYPE.map(lambda kind: {**part, "type": kind})
)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": st.lists(PART, max_size=3) | JSON}
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    path = draw(st.sampled_from(sorted(ROUTES)))
    schema, body = ROUTES[path]
    change = draw(st.dictionaries(st.sampled_from(sorted(schema.model_fields)), JSON, max_size=3))
    talk = "input" if path == "/v1/responses" else "messages"
    said = draw(st.none() | st.lists(TURN | PART, min_size=1, max_size=3))
    return path, {**body, **change, **({} if said is None or path == "/detokenize" else {talk: said})}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
def test_no_body_breaks_the_server(server: LiveServer, request: tuple[str, dict[str, Any]]) -> None:
    path, body = request
    reply = server.ask(path, raw=json.dumps(body).encode())
    assert reply.status in (200, 400, 404)
    if reply.status != 200:
        assert reply.json["error"]["message"]
        assert (reply.json.get("type") == "error") == path.startswith("/v1/messages")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(ROUTES)), JSON | st.binary(max_size=40))
def test_nor_does_what_is_no_request_at_all(server: LiveServer, path: str, content: Any) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert server.ask(path, raw=raw).status == 400
