"""Anthropic's protocol, through its own SDK and by hand."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Literal
from unittest.mock import Mock

import anthropic
import pytest
from pydantic import BaseModel

from tests.server.live_server import NAME, LiveServer
from weft.llm.prompting import Prompting

QUESTION: Any = [{"role": "user", "content": "What is the weather in Rome?"}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Any = [{"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}]
BODY: dict[str, Any] = {"model": NAME, "max_tokens": 32, "temperature": 0.0, "messages": QUESTION}
COMMON: dict[str, Any] = {"model": NAME, "max_tokens": 32, "extra_body": {"temperature": 0.0}}
"""The same to the SDK, which has no argument for the temperature."""


class City(BaseModel):
    name: Literal["Rome", "Oslo"]
    size: Literal["large", "small"]


@pytest.fixture(scope="module")
def client(builtin_server: LiveServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=builtin_server.url, api_key="none", max_retries=0) as made:
        yield made


def rendered(server: LiveServer, messages: Any, **variables: Any) -> int:
    """Tokens of a conversation, as the Python API has it."""
    prompting: Prompting = server.llm.prompting
    return len(prompting.encode_chat(messages, **variables))


def test_a_message_is_what_the_python_api_gives(
    client: anthropic.Anthropic, builtin_server: LiveServer
) -> None:
    answer = client.messages.create(messages=QUESTION, system="Be brief.", **COMMON)
    chat = {**BODY, "messages": [{"role": "system", "content": "Be brief."}, *QUESTION]}
    known = builtin_server.ask("/v1/chat/completions", chat).json
    (block,) = answer.content
    assert block.type == "text"
    assert block.text == known["choices"][0]["message"]["content"]
    assert (
        answer.stop_reason
        == {"stop": "end_turn", "length": "max_tokens"}[known["choices"][0]["finish_reason"]]
    )
    assert answer.usage.input_tokens == known["usage"]["prompt_tokens"]
    assert answer.usage.output_tokens == known["usage"]["completion_tokens"]
    assert (answer.type, answer.role, answer.model, answer.id[:4]) == ("message", "assistant", NAME, "msg_")
    assert answer._request_id is not None


def test_a_streamed_message_joined_is_the_whole(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(messages=QUESTION, **COMMON)
    with client.messages.stream(messages=QUESTION, **COMMON) as stream:
        told = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert [block.to_dict()["text"] for block in final.content] == [told]
    assert told == whole.content[0].to_dict()["text"]
    assert (final.stop_reason, final.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)


def events(server: LiveServer, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Of a stream; each is named by its type."""
    reply = server.ask(path, {**body, "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    read = []
    for framed in reply.body.decode().removesuffix("\n\n").split("\n\n"):
        name, data = framed.split("\n")
        content = json.loads(data.removeprefix("data: "))
        assert name == f"event: {content['type']}"
        read.append(content)
    return read


def runs(kinds: list[str]) -> list[str]:
    """Without repetitions in a row."""
    return [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before]


def test_events_come_in_the_protocols_order(builtin_server: LiveServer) -> None:
    told = events(builtin_server, "/v1/messages", BODY)
    assert runs([each["type"] for each in told]) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, last = told[0]["message"], told[-2]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert last["delta"]["stop_reason"] in ("end_turn", "max_tokens")
    assert last["usage"]["output_tokens"] >= 1


@pytest.mark.parametrize(
    "choice", [{"type": "any"}, {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}]
)
def test_a_tool_is_called_and_its_result_goes_on(client: anthropic.Anthropic, choice: Any) -> None:
    called = client.messages.create(messages=QUESTION, tools=TOOLS, tool_choice=choice, **COMMON)
    assert called.stop_reason == "tool_use"
    calls = [block for block in called.content if block.type == "tool_use"]
    assert all(call.name == "get_weather" and isinstance(call.input["city"], str) for call in calls)
    results: Any = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]
    conversation: Any = [
        *QUESTION,
        {"role": "assistant", "content": called.content},
        {"role": "user", "content": results},
    ]
    answer = client.messages.create(
        messages=conversation, tools=TOOLS, tool_choice={"type": "none"}, **COMMON
    )
    assert answer.stop_reason in ("end_turn", "max_tokens")


def test_a_streamed_call_is_the_whole(client: anthropic.Anthropic, builtin_server: LiveServer) -> None:
    asked: Any = {**COMMON, "messages": QUESTION, "tools": TOOLS, "tool_choice": {"type": "any"}}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        final = stream.get_final_message()
    assert [block.to_dict()["input"] for block in final.content] == [
        block.to_dict()["input"] for block in whole.content
    ]
    told = events(builtin_server, "/v1/messages", {**BODY, "tools": TOOLS, "tool_choice": {"type": "any"}})
    deltas = [each["delta"] for each in told if each["type"] == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"input_json_delta"}
    first = next(each for each in told if each["type"] == "content_block_start")
    assert (first["content_block"]["type"], first["content_block"]["input"]) == ("tool_use", {})


def test_a_call_that_is_cut_short_is_told_as_far_as_it_came(client: anthropic.Anthropic) -> None:
    asked: Any = {**COMMON, "messages": QUESTION, "tools": TOOLS, "tool_choice": {"type": "any"}}
    whole = client.messages.create(**asked)
    for max_tokens in range(whole.usage.output_tokens - 12, whole.usage.output_tokens - 2, 3):
        cut = client.messages.create(**{**asked, "max_tokens": max_tokens})
        assert cut.stop_reason == "max_tokens"
        assert all(isinstance(block.input, dict) for block in cut.content if block.type == "tool_use")


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(messages=QUESTION, **COMMON)
    text = whole.content[0].to_dict()["text"]
    cut = client.messages.create(messages=QUESTION, stop_sequences=["zqzq", text[4]], **COMMON)
    assert (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", text[4])
    assert "".join(str(block.to_dict()["text"]) for block in cut.content) == text[: text.index(text[4])]


def test_structured_output_is_parsed_by_the_sdk(client: anthropic.Anthropic) -> None:
    parsed = client.messages.parse(messages=QUESTION, output_format=City, **{**COMMON, "max_tokens": 60})
    assert isinstance(parsed.parsed_output, City)


def test_tokens_are_counted_as_they_are_used(client: anthropic.Anthropic, builtin_server: LiveServer) -> None:
    counted = client.messages.count_tokens(model=NAME, messages=QUESTION)
    assert counted.input_tokens == rendered(builtin_server, QUESTION)
    with_tools = client.messages.count_tokens(model=NAME, messages=QUESTION, tools=TOOLS, system="Be brief.")
    used = client.messages.create(messages=QUESTION, tools=TOOLS, system="Be brief.", **COMMON)
    assert with_tools.input_tokens == used.usage.input_tokens > counted.input_tokens


def test_turns_of_one_role_are_one_turn(client: anthropic.Anthropic) -> None:
    parts: Any = [
        {"role": "user", "content": "One."},
        {"role": "user", "content": [{"type": "text", "text": "Two."}]},
    ]
    joined: Any = [{"role": "user", "content": [{"type": "text", "text": text} for text in ("One.", "Two.")]}]
    counts = [
        client.messages.count_tokens(model=NAME, messages=each).input_tokens for each in (parts, joined)
    ]
    assert counts[0] == counts[1]


def test_the_async_client_streams_as_well(builtin_server: LiveServer) -> None:
    async def ask() -> str:
        async with (
            anthropic.AsyncAnthropic(base_url=builtin_server.url, api_key="none", max_retries=0) as client,
            client.messages.stream(messages=QUESTION, **COMMON) as stream,
        ):
            return await stream.get_final_text()

    whole = builtin_server.ask("/v1/messages", BODY).json
    assert asyncio.run(ask()) == whole["content"][0]["text"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens is None"),
        ({"max_tokens": 0}, "max_tokens is 0; it must be greater than or equal to 1"),
        ({"temperature": 1.5}, "temperature is 1.5; it must be less than or equal to 1"),
        ({"messages": []}, "at least 1 item"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role is 'system'"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]},
            "type is 'image'; supp",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages.0.content.0.text is missing",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "", "txt": 1}]}]},
            "nearest that is",
        ),
        (
            {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
            "messages.0.content.0.type is missing",
        ),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "end with a turn of the user"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "nobody"}]}]},
            "it must be the id of a call in an earlier message",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "hm"}]}]},
            "stands in the wrong turn; it belongs into one of the assistant",
        ),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "only 'custom' is supported"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name is missing"),
        ({"tool_choice": {"type": "any", "name": "x"}}, "leave it out"),
        ({"tool_choice": {"type": "tool", "name": "x"}, "tools": TOOLS}, "tool_choice names 'x'"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            "thinking.type is 'enabled'; it must be 'disa",
        ),
        ({"thinking": {"type": "adaptive"}}, "this model does not think"),
        ({"container": "c"}, "container is 'c'; it is not supported; leave it out"),
        ({"context_management": {}}, "context_management is a object; it is not supported"),
        ({"diagnostics": {}}, "not supported"),
        ({"inference_geo": "eu"}, "not supported"),
        ({"mcp_servers": [{}]}, "only [] is supported"),
        ({"service_tier": "priority"}, "only 'auto' or 'standard_only' is supported"),
        ({"speed": "fast"}, "only 'standard' is supported"),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "supported; leave it out"),
        ({"output_config": {"effort": "low"}}, "output_config.effort is 'low'; only 'high' is supported"),
        ({"top_k": -1}, "top_k is -1"),
        ({"stop_sequences": ["a"] * 17}, "at most 16 items"),
        ({"n": 2}, "field 'n' is unknown"),
    ],
)
def test_what_is_wrong_is_told_in_the_protocols_format(
    builtin_server: LiveServer, change: dict[str, Any], message: str
) -> None:
    reply = builtin_server.ask("/v1/messages", {**BODY, **change})
    assert reply.status == 400
    assert set(reply.json) == {"type", "error", "request_id"}
    assert (reply.json["type"], reply.json["error"]["type"]) == ("error", "invalid_request_error")
    assert message in reply.json["error"]["message"]
    assert reply.json["request_id"] == reply.headers["x-request-id"] == reply.headers["request-id"]


def test_options_at_their_defaults_are_accepted(builtin_server: LiveServer) -> None:
    neutral: dict[str, Any] = {
        "cache_control": {"type": "ephemeral"},
        "thinking": {"type": "disabled"},
        "service_tier": "auto",
        "speed": "standard",
        "metadata": {"user_id": "somebody"},
        "tool_choice": {"type": "auto"},
        "tools": [],
        "container": None,
        "output_config": {"effort": "high"},
        "stream": False,
    }
    assert builtin_server.ask("/v1/messages", {**BODY, **neutral}).status == 200


def test_the_sdk_knows_our_errors(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="is not served here"):
        client.messages.create(messages=QUESTION, **{**COMMON, "model": "gpt"})
    with pytest.raises(anthropic.BadRequestError, match="set max_tokens to at most"):
        client.messages.create(messages=QUESTION, **{**COMMON, "max_tokens": 10_000})
    with pytest.raises(anthropic.NotFoundError, match="there is no route /v1/messages/batches"):
        client.messages.batches.list()


def test_a_stream_that_breaks_off_says_so(
    client: anthropic.Anthropic, builtin_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = builtin_server.runner
    execute, calls = runner.execute, iter([True] * 4)
    monkeypatch.setattr(
        runner, "execute", Mock(side_effect=lambda *given: execute(*given) if next(calls, False) else 1 // 0)
    )
    with (
        pytest.raises(anthropic.APIStatusError) as raised,
        client.messages.stream(messages=QUESTION, **COMMON) as stream,
    ):
        stream.get_final_message()
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "api_error"
    assert "division" not in str(raised.value)
