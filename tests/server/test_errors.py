"""What clients are told when something is wrong: status, the protocol's body, and what to do."""

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.llm.tiny_model import make_model
from tests.server.live_server import NAME, LiveServer, live_server
from tests.text import tiny
from weft.server.chat.schema import ChatBody
from weft.server.completions.schema import CompletionBody
from weft.server.state import ServerSettings

CHAT: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "tea?"}], "max_tokens": 2}
TOOL = {"type": "function", "function": {"name": "brew", "parameters": {"type": "object", "properties": {}}}}
COMPLETION: dict[str, Any] = {"model": NAME, "prompt": "tea", "max_tokens": 2}
PATHS = {"/v1/chat/completions": CHAT, "/v1/completions": COMPLETION}


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        (
            {"temprature": 1},
            "temprature",
            "field 'temprature' is unknown; the nearest that is known is 'temper",
        ),
        ({"prompt": None}, "prompt", "prompt is None; it must be a string, a list of strings"),
        ({"prompt": []}, "prompt", "between 1 and 1024 prompts"),
        ({"prompt": [[5], []]}, "prompt", "it must be a string"),
        ({"prompt": [True]}, "prompt", "it must be a string"),
        ({"prompt": ""}, None, None),
        ({"prompt": [400]}, None, "the prompt has token id 400; ids are 0 to 399"),
        ({"prompt": "\ud800"}, None, ""),
        ({"temperature": "hot"}, "temperature", "temperature is 'hot'; it must be a valid number"),
        ({"temperature": 3}, "temperature", "temperature is 3; it must be less than or equal to 2"),
        ({"n": 1.5}, "n", "n is 1.5"),
        ({"n": True}, "n", "n is True; it must be a valid integer"),
        ({"n": 129}, "n", "n is 129; it must be less than or equal to 128"),
        ({"prompt": ["a"] * 20, "n": 100}, "n", "make more than 1024 choices"),
        ({"max_tokens": -1}, "max_tokens", "greater than or equal to 0"),
        ({"max_tokens": 5000}, "max_tokens", "set max_tokens to at most 20"),
        ({"min_tokens": 9}, "min_tokens", "min_tokens is 9; it must be between 0 and max_tokens (2)"),
        ({"stop": ["a"] * 17}, "stop", "at most 16 items"),
        ({"stop": ""}, "stop", "stop.0 is ''; it must have at least 1 character"),
        ({"logit_bias": {"tea": 1}}, "logit_bias", "keys must be token ids"),
        ({"logit_bias": {"7": 101}}, "logit_bias", "logit_bias.7 is 101"),
        ({"logit_bias": {"400": 1}}, "logit_bias", "logit_bias has token id 400"),
        ({"logprobs": 21}, "logprobs", "less than or equal to 20"),
        ({"seed": 2**63}, "seed", "seed is 9223372036854775808"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "set stream to true"),
        ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage", "'include_usage'"),
        ({"suffix": "x"}, "suffix", "suffix is 'x'; it is not supported; leave it out"),
        ({"messages": []}, "messages", "unknown"),
        ({"model": None}, "model", "model is None"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    server: LiveServer, change: dict[str, Any], param: str | None, message: str | None
) -> None:
    raw = json.dumps({**COMPLETION, **change}).encode()
    reply = server.ask("/v1/completions", raw=raw)
    if message is None:  # what this tokenizer makes something of
        assert reply.status == 200
        return
    assert reply.status == 400
    assert message in reply.error["message"]
    assert reply.error["type"] == "invalid_request_error"
    if param is not None:
        assert reply.error["param"] == param


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"messages": []}, "messages", "at least 1 item"),
        ({"messages": "hi"}, "messages", "messages is 'hi'; it must be a valid array"),
        ({"messages": [{"content": "hi"}]}, None, "messages[0].role is None; it must be one of system"),
        ({"messages": [{"role": "user", "content": 7}]}, None, "messages[0].content is"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            None,
            "messages[0].content[0] is",
        ),
        ({"tools": [{"type": "function"}]}, "tools", "tools.0.function is missing; it is required"),
        ({"tools": [TOOL]}, "tools", "chat template has no place for tools; leave them out"),
        ({"tool_choice": "required"}, "tool_choice", "there are no tools; give some"),
        ({"functions": []}, "functions", "it is deprecated and not supported; use tools"),
        (
            {"response_format": {"type": "xml"}},
            "response_format",
            "response_format.type is 'xml'; supported are",
        ),
        (
            {"chat_template_kwargs": {"tools": 1}},
            "chat_template_kwargs",
            "'tools' is no switch of this model",
        ),
        ({"reasoning_effort": "high"}, "reasoning_effort", "only 'none' is supported"),
        ({"top_logprobs": 2}, "top_logprobs", "set logprobs to true"),
        ({"max_completion_tokens": 3}, "max_tokens", "max_tokens is 2 and max_completion_tokens is 3"),
        ({"user": "x" * 1000}, "user", "it must have at most"),
        ({"service_tier": "flex"}, "service_tier", "only 'auto' or 'default' is supported"),
        ({"prompt": "tea"}, "prompt", "field 'prompt' is unknown"),
    ],
)
def test_so_it_is_in_a_chat(
    server: LiveServer, change: dict[str, Any], param: str | None, message: str
) -> None:
    reply = server.ask("/v1/chat/completions", {**CHAT, **change})
    assert reply.status == 400
    assert message in reply.error["message"]
    assert param is None or reply.error["param"] == param


def test_documented_defaults_are_accepted(server: LiveServer) -> None:
    neutral = {
        "audio": None,
        "store": False,
        "modalities": ["text"],
        "parallel_tool_calls": True,
        "tools": [],
        "response_format": {"type": "text"},
        "service_tier": "auto",
        "tool_choice": "none",
        "reasoning_effort": "none",
        "metadata": {"team": "tea"},
        "safety_identifier": "x",
        "prompt_cache_key": "x",
        "user": "somebody",
        "temperature": None,
        "stop": None,
        "logit_bias": None,
        "stream": False,
        "n": 1,
    }
    assert server.ask("/v1/chat/completions", {**CHAT, **neutral}).status == 200
    neutral = {"best_of": 1, "echo": False, "suffix": None, "user": None}
    assert server.ask("/v1/completions", {**COMPLETION, **neutral}).status == 200


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[1]", b'"text"', b"null", b"\xff", b"[" * 100000, b'{"n": ' + b"9" * 5000 + b"}"]
)
def test_what_is_no_json_object_is_refused(server: LiveServer, raw: bytes) -> None:
    reply = server.ask("/v1/completions", raw=raw)
    assert reply.status == 400
    assert reply.error["message"].startswith(("the body is not valid JSON", "the body must be a JSON object"))


def test_routes_methods_and_media_types(server: LiveServer) -> None:
    missing = server.ask("/v1/completion", COMPLETION)
    assert missing.status == 404
    assert "there is no route /v1/completion; there are /v1/chat/completions" in missing.error["message"]
    wrong = server.ask("/v1/completions")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert "/v1/completions takes no GET; use POST" in wrong.error["message"]
    form = server.ask(
        "/v1/completions", COMPLETION, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert (form.status, "Content-Type: application/json" in form.error["message"]) == (415, True)
    other = server.ask("/v1/completions", {**COMPLETION, "model": "gpt"})
    assert (other.status, other.error["code"], other.error["param"]) == (404, "model_not_found", "model")
    assert "model 'gpt' is not served here; served are: 'tiny'" in other.error["message"]


def test_a_prompt_that_is_too_long_has_a_code_of_its_own(server: LiveServer) -> None:
    reply = server.ask("/v1/completions", {"model": NAME, "prompt": [5] * 2048})
    assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 2048 tokens" in reply.error["message"]


def test_long_texts_are_refused_like_short_ones(server: LiveServer) -> None:
    text = "the sea " * 20_000
    chat = {**CHAT, "messages": [{"role": "user", "content": text}]}
    for path, body in (
        ("/v1/completions", {**COMPLETION, "prompt": ["a", text]}),
        ("/v1/chat/completions", chat),
    ):
        reply = server.ask(path, body)
        assert (reply.status, reply.error["code"]) == (400, "context_length_exceeded")


def test_a_body_that_never_comes_is_given_up(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.server.http.bodies.READ_TIMEOUT_S", 0.05)
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: 10\r\n\r\n{{".encode())
        assert b" 408 " in connection.recv(1000)


def test_a_template_that_refuses_is_not_told_by_its_path(tmp_path: Path) -> None:
    strict = make_model(tmp_path / "strict")
    template = "{{ raise_exception('only the user may speak') }}"
    (strict / "tokenizer_config.json").write_text(json.dumps({**tiny.CONFIG, "chat_template": template}))
    with live_server(strict) as up:
        reply = up.ask("/v1/chat/completions", CHAT)
        assert reply.status == 400
        assert reply.error["message"] == "the chat template refuses these messages: only the user may speak"


@pytest.fixture(scope="module")
def guarded(model: Path) -> Iterator[LiveServer]:
    """Two keys, two names, small bodies, a queue that is soon full."""
    settings = ServerSettings((NAME, "also"), ("first-key", "second-key"), most_body_bytes=100_000)
    with live_server(model, settings, max_num_seqs=2, max_model_len=128) as up:
        yield up


def key(text: str) -> dict[str, str]:
    return {"authorization": text}


def test_keys_are_asked_for_everywhere_but_at_probes(guarded: LiveServer) -> None:
    for path in ("/v1/models", "/metrics", "/nowhere", "/v1/completions"):
        for headers in ({}, key("Bearer wrong"), key("first-key"), key("Bearer"), key("Basic first-key")):
            reply = guarded.ask(path, headers=headers)
            assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
            assert reply.headers["www-authenticate"] == "Bearer"
            assert "Authorization: Bearer KEY" in reply.error["message"]
    for text in ("Bearer first-key", "bearer second-key"):
        assert guarded.ask("/v1/models", headers=key(text)).status == 200
    assert guarded.ask("/health").status == guarded.ask("/ready").status == 200
    assert guarded.ask("/v1/models", headers={**key("Bearer first-key"), "host": "elsewhere"}).status == 200


def test_every_name_is_served(guarded: LiveServer) -> None:
    headers = key("Bearer first-key")
    listed = guarded.ask("/v1/models", headers=headers).json["data"]
    assert [each["id"] for each in listed] == [NAME, "also"]
    answer = guarded.ask("/v1/completions", {**COMPLETION, "model": "also"}, headers=headers)
    assert answer.json["model"] == "also"


def test_a_body_that_is_too_large_is_refused(guarded: LiveServer) -> None:
    raw = json.dumps({**COMPLETION, "prompt": "x" * 3_000_000}).encode()
    reply = guarded.ask("/v1/completions", raw=raw, headers=key("Bearer first-key"))
    assert (reply.status, reply.error["code"]) == (413, "body_too_large")
    # a body so large that it is not even thrown away: the answer comes before it
    with socket.create_connection(("127.0.0.1", guarded.port), 10) as connection:
        head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer first-key\r\n"
        head += "content-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(1000)


def test_too_much_work_is_refused_until_later(guarded: LiveServer) -> None:
    prompts = [[5] * 20] * 300
    body = {"model": NAME, "prompt": prompts, "max_tokens": 100, "ignore_eos": True}
    for stream in (False, True):
        reply = guarded.ask("/v1/completions", {**body, "stream": stream}, headers=key("Bearer first-key"))
        assert (reply.status, reply.error["type"], reply.error["code"]) == (
            429,
            "rate_limit_error",
            "overloaded",
        )
        assert int(reply.headers["retry-after"]) >= 1
        assert "send fewer prompts in one request" in reply.error["message"]
    assert guarded.live_requests() == []


def test_without_keys_other_names_of_this_machine_are_refused(server: LiveServer) -> None:
    for host in ("evil.example", "evil.example:8000", "192.168.1.5:8000"):
        reply = server.ask("/v1/models", headers={"host": host})
        assert (reply.status, reply.error["code"]) == (403, "foreign_host")
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000", "[::1]"):
        assert server.ask("/v1/models", headers={"host": host}).status == 200


def test_a_model_without_tokenizer_or_template_says_so(tmp_path: Path) -> None:
    bare = make_model(tmp_path / "bare")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bare / name).unlink()
    with live_server(bare) as up:
        chat, text = up.ask("/v1/chat/completions", CHAT), up.ask("/v1/completions", COMPLETION)
        assert (chat.status, text.status) == (400, 400)
        assert "use /v1/completions" in chat.error["message"]
        assert "give token ids" in text.error["message"]
        assert str(tmp_path) not in chat.error["message"] + text.error["message"]
        assert up.ask("/v1/completions", {**COMPLETION, "prompt": [5, 6]}).json["choices"][0]["text"] == ""


def test_what_breaks_inside_stays_inside(
    model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live_server(model) as up, caplog.at_level(logging.ERROR, "weft.server"):
        broken = Mock(side_effect=RuntimeError("secret detail of a library"))
        monkeypatch.setattr(up.runner, "execute", broken)
        for path, body in PATHS.items():
            reply = up.ask(path, body)
            assert (reply.status, reply.error["code"]) == (500, "internal_error")
            assert b"secret" not in reply.body
            assert b"Traceback" not in reply.body
        assert "secret detail" in caplog.text
        assert up.ask("/health").status == 200  # failed steps are over, too


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted({*ChatBody.model_fields, *CompletionBody.model_fields}))
MESSAGE = st.fixed_dictionaries(
    {}, optional={"role": JSON | st.just("user"), "content": JSON, "tool_calls": JSON}
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(PATHS)),
    st.dictionaries(FIELDS, JSON, max_size=3)
    | st.fixed_dictionaries({"messages": st.lists(MESSAGE, max_size=3)}),
)
def test_no_body_breaks_the_server(server: LiveServer, path: str, change: dict[str, Any]) -> None:
    body = {**PATHS[path], **change}
    reply = server.ask(path, raw=json.dumps(body).encode())
    assert reply.status in (200, 400, 404)
    if reply.status != 200:
        assert reply.error["message"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON | st.binary(max_size=40))
def test_nor_does_what_is_no_request_at_all(server: LiveServer, content: Any) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert server.ask("/v1/completions", raw=raw).status in (400, 404)
