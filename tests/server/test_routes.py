"""Routes beside those that make a model speak: tokens, descriptions; and that every answer names its request."""

import json
import re
from typing import Any

import pytest

from tests.server.live_server import NAME, LiveServer, live_server
from weft.contracts.version import __version__
from weft.server.state import ServerSettings

MESSAGES = [{"role": "user", "content": "tea?"}]


def test_texts_become_tokens_and_texts_again(server: LiveServer) -> None:
    tokenizer = server.llm.prompting.tokenizer
    assert tokenizer is not None
    text = "tea for 7 wizards"
    read = server.ask("/tokenize", {"model": NAME, "prompt": text}).json
    assert read["tokens"] == tokenizer.encode(text)
    assert (read["count"], read["max_model_len"], read["token_strs"]) == (len(read["tokens"]), 2048, None)
    bare = server.ask(
        "/tokenize", {"prompt": text, "add_special_tokens": False, "return_token_strs": True}
    ).json
    assert bare["tokens"] == tokenizer.encode(text, add_special=False)
    assert "".join(bare["token_strs"]) == text
    assert server.ask("/detokenize", {"tokens": bare["tokens"]}).json == {"prompt": text}
    assert server.ask("/detokenize", {"tokens": []}).json == {"prompt": ""}


def test_conversations_become_the_tokens_that_chats_use(server: LiveServer) -> None:
    read = server.ask("/tokenize", {"messages": MESSAGES}).json
    used = server.ask("/v1/chat/completions", {"model": NAME, "messages": MESSAGES, "max_tokens": 1}).json
    assert read["count"] == used["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/tokenize", {}, "neither prompt nor messages is given"),
        ("/tokenize", {"prompt": "a", "messages": MESSAGES}, "prompt and messages are both given"),
        ("/tokenize", {"messages": MESSAGES, "add_special_tokens": True}, "leave it out"),
        ("/tokenize", {"messages": MESSAGES, "add_generation_prompt": False}, "only True is supported"),
        ("/tokenize", {"messages": MESSAGES, "chat_template": "{{ x }}"}, "it is not supported"),
        ("/tokenize", {"messages": MESSAGES, "tools": [{}]}, "only [] is supported"),
        ("/tokenize", {"prompt": "a", "model": "gpt"}, "model 'gpt' is not served here"),
        ("/detokenize", {"tokens": [-1]}, "tokens.0 is -1"),
        ("/detokenize", {"tokens": "a"}, "tokens is 'a'"),
        ("/detokenize", {}, "tokens is missing"),
    ],
)
def test_what_is_wrong_is_named(server: LiveServer, path: str, body: dict[str, Any], message: str) -> None:
    reply = server.ask(path, body)
    assert reply.status in (400, 404)
    assert message in reply.error["message"]


def test_the_server_tells_its_version_and_load(server: LiveServer) -> None:
    assert server.ask("/version").json == {"version": __version__}
    assert server.ask("/load").json == {"server_load": 0}


def test_the_document_describes_every_route(server: LiveServer) -> None:
    document = server.ask("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith(".")
            assert {"200", "400", "401", "500"} <= set(operation["responses"])
            assert ("requestBody" in operation) == (method == "post")
            if method == "post":
                refused = server.ask(path, {})
                assert str(refused.status) in operation["responses"]
            elif method == "get":
                reply = server.ask(path.replace("{name}", NAME))
                assert str(reply.status) in operation["responses"]
                if reply.status == 200:
                    said = reply.headers["content-type"].partition(";")[0]
                    assert said in {
                        kind.partition(";")[0] for kind in operation["responses"]["200"]["content"]
                    }


def test_every_reference_of_the_document_leads_somewhere(server: LiveServer) -> None:
    raw = server.ask("/openapi.json").body.decode()
    schemas = json.loads(raw)["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', raw))
    assert references == references & set(schemas)
    body = schemas["ResponsesBody"]
    assert body["properties"]["truncation"]["enum"] == ["disabled", None]
    assert "input" in body["required"]


def test_the_page_for_people_needs_nothing_from_elsewhere(server: LiveServer) -> None:
    page = server.ask("/docs")
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in text
    assert "//" not in text.replace("<!doctype html>", "")
    for path in server.ask("/openapi.json").json["paths"]:
        assert path in text


ROUTES: list[tuple[str, Any]] = [
    ("/v1/models", None),
    ("/nowhere", None),
    ("/v1/messages", {}),
    ("/v1/chat/completions", {"model": NAME, "messages": MESSAGES, "max_tokens": 1}),
    ("/v1/completions", {"model": NAME, "prompt": "a", "max_tokens": 1, "stream": True}),
]


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_every_answer_names_its_request(server: LiveServer, path: str, body: Any) -> None:
    given = server.ask(path, body, headers={"x-request-id": "mine-7 {}"})
    assert given.headers["x-request-id"] == "mine-7 {}"
    made = [server.ask(path, body).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    assert all(name.startswith("req_") for name in made)


@pytest.mark.parametrize("name", ["x" * 129, "caf\xe9", "tab\there"])
def test_a_name_that_cannot_be_repeated_is_refused(server: LiveServer, name: str) -> None:
    reply = server.ask("/v1/models", headers={"x-request-id": name})
    assert (reply.status, reply.error["code"]) == (400, "invalid_request_id")
    assert reply.headers["x-request-id"].startswith("req_")
    in_theirs = server.ask("/v1/messages", {}, headers={"x-request-id": name})
    assert in_theirs.json["error"]["type"] == "invalid_request_error"
    assert server.ask("/v1/models", headers={"x-request-id": "x" * 128}).status == 200


def test_errors_of_the_gate_are_in_the_format_of_the_route(model: Any) -> None:
    with live_server(model, ServerSettings((NAME,), ("secret-key",))) as up:
        for path, kind in (
            ("/v1/messages", "authentication_error"),
            ("/v1/messages/x", "authentication_error"),
        ):
            refused = up.ask(path, {})
            assert (refused.status, refused.json["error"]["type"]) == (401, kind)
            assert refused.json["request_id"] == refused.headers["x-request-id"]
        assert up.ask("/openapi.json").status == up.ask("/docs").status == 401
        assert up.ask("/v1/responses", {}).error["code"] == "invalid_api_key"
        for headers in ({"x-api-key": "secret-key"}, {"authorization": "Bearer secret-key"}):
            assert up.ask("/v1/messages", {}, headers=headers).status == 400
        assert (
            up.ask("/v1/messages/x", headers={"x-api-key": "secret-key"}).json["error"]["type"]
            == "not_found_error"
        )
