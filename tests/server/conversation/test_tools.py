"""Tools through the openai SDK: with the model that comes with Weft, and with random ones of every family, whose
calls parse all the same, as they are enforced."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

from tests.server.live_server import NAME, LiveServer, live_server
from tests.server.talking_models import make_talking_model
from weft.model_specs.builtin import builtin_model

WISH: Any = [{"role": "user", "content": "Please set an alarm at 10:30."}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "set_alarm",
            "description": "set an alarm",
            "parameters": {
                "type": "object",
                "properties": {"time": {"type": "string", "maxLength": 8}},
                "required": ["time"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "start_timer",
            "description": "start a timer",
            "parameters": {
                "type": "object",
                "properties": {"minutes": {"type": "integer", "minimum": 0, "maximum": 99}},
                "required": ["minutes"],
            },
        },
    },
]
COMMON: dict[str, Any] = {
    "model": NAME,
    "messages": WISH,
    "tools": TOOLS,
    "max_tokens": 400,
    "temperature": 0,
}
TIMER: Any = {"type": "function", "function": {"name": "start_timer"}}
REQUIRED = {"set_alarm": {"time": str}, "start_timer": {"minutes": int}}


@contextmanager
def client_of(server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def builtin() -> Iterator[LiveServer]:
    with live_server(builtin_model("weft-tiny")) as up:
        yield up


@pytest.fixture(scope="module")
def client(builtin: LiveServer) -> Iterator[openai.OpenAI]:
    with client_of(builtin) as made:
        yield made


def check_calls(message: Any) -> list[str]:
    """The names of the tools that a message calls, with arguments that fit their schemas."""
    for call in message.tool_calls:
        assert (call.type, bool(call.id)) == ("function", True)
        arguments = json.loads(call.function.arguments)
        kinds = REQUIRED[call.function.name]
        assert {name: type(value) for name, value in arguments.items()} == kinds
    assert len({call.id for call in message.tool_calls}) == len(message.tool_calls)
    return [call.function.name for call in message.tool_calls]


@pytest.mark.parametrize("choice", ["auto", "required", "none", TIMER])
def test_the_choice_of_tools_is_kept_to(client: openai.OpenAI, choice: Any) -> None:
    (found,) = client.chat.completions.create(tool_choice=choice, **COMMON).choices
    if choice == "none":
        assert (found.message.tool_calls, found.finish_reason) == (None, "stop")
        assert found.message.content
        return
    names = check_calls(found.message)
    assert names[0] == ("start_timer" if choice == TIMER else "set_alarm")
    assert (found.finish_reason, found.message.content) == ("tool_calls", None)


def test_a_stream_tells_the_same_calls(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**COMMON).choices[0].message
    with client.chat.completions.stream(**COMMON) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion().choices[0]
    assert "tool_calls.function.arguments.delta" in kinds
    assert "tool_calls.function.arguments.done" in kinds
    assert check_calls(final.message) == check_calls(whole)
    assert whole.tool_calls is not None
    assert final.message.tool_calls is not None
    told = [each.function.arguments for each in final.message.tool_calls]
    assert told == [each.function.arguments for each in whole.tool_calls]
    assert final.finish_reason == "tool_calls"


def test_the_events_of_a_call_come_in_order(client: openai.OpenAI) -> None:
    events = list(client.chat.completions.create(stream=True, **COMMON))
    deltas = [event.choices[0].delta for event in events]
    assert deltas[0].role == "assistant"
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    first, *rest = [call for call in calls if call.index == 0]
    assert first.function is not None
    assert (first.type, first.function.name, first.function.arguments) == ("function", "set_alarm", "")
    assert all(call.id is None and call.function and call.function.name is None for call in rest)
    assert json.loads("".join(call.function.arguments or "" for call in rest if call.function))
    assert [event.choices[0].finish_reason for event in events[-2:]] == [None, "tool_calls"]


def test_the_async_client_and_a_second_turn(builtin: LiveServer) -> None:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{builtin.url}/v1", api_key="none", max_retries=0) as made:
            first = await made.chat.completions.create(**COMMON)
            message = first.choices[0].message
            assert message.tool_calls
            result: Any = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "It is set."}
            turns = [*WISH, message.model_dump(), result]
            again = await made.chat.completions.create(**{**COMMON, "messages": turns, "tool_choice": "none"})
            return again.choices[0]

    found = asyncio.run(ask())
    assert found.message.tool_calls is None
    assert found.finish_reason in ("stop", "length")


class Weather(BaseModel):
    """As clients describe what they want."""

    sky: Literal["clear", "cloudy"]
    degrees: Literal[10, 20]


class GetWeather(BaseModel):
    """The arguments of a tool."""

    town: Literal["Rome", "Oslo"]


def test_pydantic_models_come_back(client: openai.OpenAI) -> None:
    parsed = client.chat.completions.parse(model=NAME, messages=WISH, response_format=Weather, max_tokens=60)
    assert isinstance(parsed.choices[0].message.parsed, Weather)
    called = client.chat.completions.parse(
        model=NAME,
        messages=WISH,
        tools=[openai.pydantic_function_tool(GetWeather)],
        tool_choice="required",
        max_tokens=60,
    )
    calls = called.choices[0].message.tool_calls
    assert calls
    assert isinstance(calls[0].function.parsed_arguments, GetWeather)


@pytest.mark.parametrize("family", ["hermes", "llama3", "mistral list", "mistral named"])
def test_random_models_of_every_family_call_what_they_must(tmp_path: Path, family: str) -> None:
    asked = {**COMMON, "temperature": 1.0, "seed": 1, "max_tokens": 1500}
    with live_server(make_talking_model(tmp_path, family)) as up, client_of(up) as client:
        one = client.chat.completions.create(
            **asked, n=3, tool_choice="required", parallel_tool_calls=False
        ).choices
        assert [len(check_calls(choice.message)) for choice in one] == [1, 1, 1]
        assert {choice.finish_reason for choice in one} == {"tool_calls"}
        assert {choice.message.content for choice in one} == {None}
        (named,) = client.chat.completions.create(
            **asked, tool_choice=TIMER, parallel_tool_calls=False
        ).choices
        assert check_calls(named.message) == ["start_timer"]
        ids = [call.id for choice in one for call in choice.message.tool_calls or []]
        assert all(len(each) == (9 if "mistral" in family else 29) for each in ids)
        streamed = client.chat.completions.create(
            **asked, stream=True, tool_choice="required", parallel_tool_calls=False
        )
        pieces = [call for event in streamed for call in event.choices[0].delta.tool_calls or []]
        told = "".join(call.function.arguments or "" for call in pieces if call.function)
        assert one[0].message.tool_calls
        assert told == one[0].message.tool_calls[0].function.arguments


def test_a_call_that_the_limit_cuts_is_told_as_far_as_it_came(client: openai.OpenAI) -> None:
    (found,) = client.chat.completions.create(**{**COMMON, "max_tokens": 20}, tool_choice="required").choices
    assert found.finish_reason == "length"


@pytest.mark.parametrize(
    ("change", "param", "complaint"),
    [
        ({"tool_choice": {"type": "function", "function": {"name": "fly"}}}, "tool_choice", "names 'fly'"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, "tools", "2 tools are called 'set_alarm'"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools", "tools.0.function.name is"),
        ({"tools": [{"type": "web_search"}]}, "tools", "tools.0.type is 'web_search'"),
        (
            {"tool_choice": "required", "response_format": {"type": "json_object"}},
            "response_format",
            "tool_choice demands a call",
        ),
        ({"response_format": {"type": "json_object"}}, "response_format", "writes its calls as plain JSON"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs", "given with tools"),
        ({"functions": [{"name": "a"}]}, "functions", "deprecated"),
        (
            {"messages": [*WISH, {"role": "tool", "tool_call_id": "x", "content": "y"}]},
            "messages",
            "messages[1].tool_call_id is 'x'",
        ),
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "a",
                            "strict": True,
                            "parameters": {"type": "object", "properties": {"b": {"uniqueItems": True}}},
                        },
                    }
                ]
            },
            None,
            "uniqueItems",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    builtin: LiveServer, change: dict[str, Any], param: str | None, complaint: str
) -> None:
    reply = builtin.ask("/v1/chat/completions", {**COMMON, **change})
    assert reply.status == 400
    assert complaint in reply.error["message"]
    assert param is None or reply.error["param"] == param
