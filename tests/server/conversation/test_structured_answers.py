"""Answers that must look like something, in chats and completions, and thoughts before them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.server.live_server import NAME, LiveServer, live_server
from tests.server.talking_models import END_THINK, make_talking_model

CHAT: dict[str, Any] = {"model": NAME, "messages": [{"role": "user", "content": "tea?"}], "max_tokens": 200}
COMPLETION: dict[str, Any] = {"model": NAME, "prompt": "tea", "max_tokens": 200}
SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["green", "black"]},
        "cups": {"type": "integer", "maximum": 9, "minimum": 0},
    },
    "required": ["kind", "cups"],
    "additionalProperties": False,
}
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "tea", "schema": SCHEMA, "strict": True}}
KINDS = [
    ("json", SCHEMA, r'\{"kind": "(green|black)", "cups": \d\}'),
    ("json", json.dumps(SCHEMA), r'\{\s*"kind"\s*:\s*"(green|black)"\s*,\s*"cups"\s*:\s*\d\s*\}'),
    ("regex", "[ab]{3}c", "[ab]{3}c"),
    ("choice", ["yes", "no"], "yes|no"),
    ("grammar", 'start: "a" DIGIT\nDIGIT: /[0-9]/', "a[0-9]"),
]


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(make_talking_model(tmp_path_factory.mktemp("thinker"), "thinking")) as up:
        yield up


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_schema_is_kept_to(client: openai.OpenAI) -> None:
    for seed in range(3):
        (found,) = client.chat.completions.create(
            **CHAT, response_format=FORMAT, seed=seed, temperature=1
        ).choices
        answer = json.loads(found.message.content or "")
        assert set(answer) == {"kind", "cups"}
        assert (answer["kind"] in ("green", "black"), answer["cups"] in range(10)) == (True, True)
        assert found.finish_reason == "stop"
    streamed = client.chat.completions.create(
        **CHAT, response_format=FORMAT, seed=2, temperature=1, stream=True
    )
    told = "".join(event.choices[0].delta.content or "" for event in streamed)
    assert told == found.message.content


def test_any_object_begins_and_ends_as_one(client: openai.OpenAI) -> None:
    (found,) = client.chat.completions.create(**CHAT, response_format={"type": "json_object"}).choices
    assert (found.message.content or "").startswith("{")
    assert found.finish_reason == "length" or isinstance(json.loads(found.message.content or ""), dict)


@pytest.mark.parametrize(("name", "value", "pattern"), KINDS)
@pytest.mark.parametrize("is_older", [False, True])
def test_the_fields_of_vllm_mean_the_same_everywhere(
    server: LiveServer, name: str, value: Any, pattern: str, is_older: bool
) -> None:
    fields = {f"guided_{name}": value} if is_older else {"structured_outputs": {name: value}}
    said = server.ask("/v1/chat/completions", {**CHAT, **fields}).json["choices"][0]["message"]["content"]
    written = server.ask("/v1/completions", {**COMPLETION, **fields}).json["choices"][0]["text"]
    pattern = KINDS[1][2] if name == "json" else pattern
    assert re.fullmatch(pattern, said)
    assert re.fullmatch(pattern, written)


@pytest.mark.parametrize(
    ("change", "param", "complaint"),
    [
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs", "regex and choice"),
        ({"structured_outputs": {"regex": "a"}, "guided_regex": "a"}, "structured_outputs", "leave one"),
        ({"structured_outputs": {"regex": "("}}, None, "regex"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs", "at least 1 item"),
        ({"structured_outputs": {"whitespace_pattern": "x"}}, "structured_outputs", "it is not supported"),
        ({"structured_outputs": {"json": {"type": "object"}}, "response_format": FORMAT}, None, "leave one"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format",
            "response_format.json_schema is missing",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: LiveServer, change: dict[str, Any], param: str | None, complaint: str
) -> None:
    reply = server.ask("/v1/chat/completions", {**CHAT, **change})
    assert reply.status == 400
    assert complaint in reply.error["message"]
    assert param is None or reply.error["param"] == param


def test_thoughts_are_told_apart(thinker: LiveServer) -> None:
    cut = thinker.ask("/v1/chat/completions", {**CHAT, "max_tokens": 8, "ignore_eos": True}).json
    message = cut["choices"][0]["message"]
    assert (message["content"], bool(message["reasoning_content"])) == ("", True)
    ended = {**CHAT, "logit_bias": {str(END_THINK): 100}, "response_format": FORMAT}
    found = thinker.ask("/v1/chat/completions", ended).json["choices"][0]
    assert set(json.loads(found["message"]["content"])) == {"kind", "cups"}
    assert "reasoning_content" not in found["message"]
    with openai.OpenAI(base_url=f"{thinker.url}/v1", api_key="none", max_retries=0) as client:
        events = client.chat.completions.create(
            **{**CHAT, "max_tokens": 8}, stream=True, extra_body={"ignore_eos": True}
        )
        deltas = [event.choices[0].delta for event in events]
    told = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert told
    assert not any(delta.content for delta in deltas)


@pytest.mark.parametrize(
    "fields", [{"chat_template_kwargs": {"enable_thinking": False}}, {"reasoning_effort": "none"}]
)
def test_thinking_can_be_switched_off(thinker: LiveServer, fields: dict[str, Any]) -> None:
    asked = {**CHAT, **fields, "structured_outputs": {"choice": ["yes", "no"]}}
    message = thinker.ask("/v1/chat/completions", asked).json["choices"][0]["message"]
    assert message["content"] in ("yes", "no")
    assert "reasoning_content" not in message


@pytest.mark.parametrize(
    ("fields", "param", "complaint"),
    [
        (
            {"chat_template_kwargs": {"bos_token": True}},
            "chat_template_kwargs",
            "its switches are: enable_thinking",
        ),
        (
            {"chat_template_kwargs": {"enable_thinking": "no"}},
            "chat_template_kwargs",
            "it must be true or false",
        ),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs", "switch its thinking off"),
    ],
)
def test_what_a_thinking_model_cannot_do_is_refused(
    thinker: LiveServer, fields: dict[str, Any], param: str, complaint: str
) -> None:
    reply = thinker.ask("/v1/chat/completions", {**CHAT, **fields})
    assert (reply.status, reply.error["param"]) == (400, param)
    assert complaint in reply.error["message"]
