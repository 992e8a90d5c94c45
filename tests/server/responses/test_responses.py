"""/v1/responses, through the openai SDK and by hand."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from unittest.mock import Mock

import openai
import pytest
from pydantic import BaseModel

from tests.server.live_server import NAME, LiveServer, live_server
from tests.server.messages.test_messages import QUESTION, SCHEMA, events, runs
from weft.server.responses.store import ResponseStore
from weft.server.state import ServerSettings

COMMON: dict[str, Any] = {"model": NAME, "temperature": 0.0, "max_output_tokens": 32}
BODY: dict[str, Any] = {**COMMON, "input": "What is the weather in Rome?"}
TOOLS: Any = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}]
CALLING: Any = {**BODY, "tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}


class City(BaseModel):
    name: Literal["Rome", "Oslo"]
    size: Literal["large", "small"]


@pytest.fixture(scope="module")
def client(builtin_server: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{builtin_server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_a_response_is_what_a_chat_gives(client: openai.OpenAI) -> None:
    answer = client.responses.create(**BODY, instructions="Be brief.", metadata={"trace": "7"})
    chat = client.chat.completions.create(
        model=NAME,
        temperature=0.0,
        max_tokens=32,
        messages=[{"role": "system", "content": "Be brief."}, *QUESTION],
    )
    assert answer.output_text == chat.choices[0].message.content
    assert answer.status == {"stop": "completed", "length": "incomplete"}[str(chat.choices[0].finish_reason)]
    assert answer.usage is not None
    assert chat.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
        chat.usage.prompt_tokens,
        chat.usage.completion_tokens,
    )
    assert (answer.object, answer.model, answer.temperature) == ("response", NAME, 0.0)
    assert (answer.instructions, answer.metadata) == ("Be brief.", {"trace": "7"})


def test_what_was_cut_short_is_incomplete(client: openai.OpenAI) -> None:
    answer = client.responses.create(**{**BODY, "max_output_tokens": 2})
    assert (answer.status, answer.incomplete_details) == (
        "incomplete",
        openai.types.responses.response.IncompleteDetails(reason="max_output_tokens"),
    )
    assert [item.to_dict()["status"] for item in answer.output] == ["incomplete"]


def test_answers_are_kept_until_they_are_deleted(client: openai.OpenAI) -> None:
    answer = client.responses.create(**BODY)
    assert client.responses.retrieve(answer.id) == answer
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError, match="there is no response"):
        client.responses.retrieve(answer.id)
    with pytest.raises(openai.NotFoundError, match="there is no response"):
        client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError, match="there is no response"):
        client.responses.create(**BODY, previous_response_id=answer.id)
    unstored = client.responses.create(**BODY, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unstored.id)


def test_a_conversation_goes_on_after_an_answer(client: openai.OpenAI) -> None:
    first = client.responses.create(**BODY, instructions="Be brief.")
    second = client.responses.create(**{**BODY, "input": "And in Oslo?"}, previous_response_id=first.id)
    said: Any = [
        *QUESTION,
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "And in Oslo?"},
    ]
    by_hand = client.responses.create(**{**BODY, "input": said})
    assert second.output_text == by_hand.output_text
    assert second.usage == by_hand.usage  # earlier instructions do not go on
    assert second.previous_response_id == first.id


def test_a_tool_is_called_and_its_result_goes_on(client: openai.OpenAI) -> None:
    called = client.responses.create(**CALLING)
    (call,) = called.output
    assert call.type == "function_call"
    assert (call.name, call.status, list(json.loads(call.arguments))) == (
        "get_weather",
        "completed",
        ["city"],
    )
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    asked: Any = {**COMMON, "tools": TOOLS, "tool_choice": "none"}
    chained = client.responses.create(**asked, input=[result], previous_response_id=called.id)
    stateless: Any = [*QUESTION, call.to_dict(), result]
    by_hand = client.responses.create(**asked, input=stateless)
    assert (chained.output_text, chained.usage) == (by_hand.output_text, by_hand.usage)


def test_structured_output_is_parsed_by_the_sdk(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(**{**BODY, "max_output_tokens": 60}, text_format=City)
    assert isinstance(parsed.output_parsed, City)
    free: Any = {"format": {"type": "json_object"}}
    answer = client.responses.create(**{**BODY, "max_output_tokens": 8}, text=free)
    assert answer.output_text.lstrip().startswith("{")


TEXT_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
CALL_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
]


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (BODY, [*TEXT_EVENTS, "response.completed"]),
        ({**BODY, "max_output_tokens": 2}, [*TEXT_EVENTS, "response.incomplete"]),
        (CALLING, CALL_EVENTS),
    ],
)
def test_events_come_in_the_protocols_order(
    builtin_server: LiveServer, body: dict[str, Any], kinds: list[str]
) -> None:
    told = events(builtin_server, "/v1/responses", body)
    assert runs([each["type"] for each in told]) == kinds
    assert [each["sequence_number"] for each in told] == list(range(len(told)))
    (item,) = told[-1]["response"]["output"]
    assert told[-2]["item"] == item
    assert told[2]["item"]["id"] == item["id"]
    pieces = "".join(each["delta"] for each in told if each["type"].endswith(".delta"))
    assert pieces == (item["arguments"] if item["type"] == "function_call" else item["content"][0]["text"])
    assert told[2]["item"].get("arguments", "") == ""
    assert (told[0]["response"]["status"], told[0]["response"]["output"]) == ("in_progress", [])


def test_the_sdk_gathers_a_stream(client: openai.OpenAI) -> None:
    whole = client.responses.create(**BODY)
    with client.responses.stream(**BODY) as stream:
        final = stream.get_final_response()
    assert (final.output_text, final.usage) == (whole.output_text, whole.usage)
    assert client.responses.retrieve(final.id).output_text == whole.output_text
    with client.responses.stream(**CALLING) as stream:
        (call,) = stream.get_final_response().output
    assert call.type == "function_call"
    assert "city" in json.loads(call.arguments)


def test_the_async_client_streams_as_well(builtin_server: LiveServer) -> None:
    async def ask() -> str:
        url = f"{builtin_server.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            told = await client.responses.create(**BODY, stream=True)
            return "".join([each.delta async for each in told if each.type == "response.output_text.delta"])

    (item,) = builtin_server.ask("/v1/responses", BODY).json["output"]
    assert asyncio.run(ask()) == item["content"][0]["text"]


@pytest.mark.parametrize(
    ("change", "param", "message"),
    [
        ({"input": []}, "input", "at least 1 item"),
        (
            {"input": [{"type": "image_generation_call"}]},
            "input",
            "input.0.type is 'image_generation_call'; supp",
        ),
        (
            {"input": [{"type": "item_reference", "id": "x"}]},
            "input",
            "supported are 'message', 'function_call'",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input",
            "type is 'input_image'",
        ),
        ({"input": [{"role": "tool", "content": "x"}]}, "input", "input.0.role is 'tool'"),
        (
            {"input": [{"type": "function_call_output", "call_id": "x", "output": "y"}]},
            None,
            "it must be the id of a call",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools", "tools.0.type is 'web_search'; it must be 'function'"),
        (
            {"tool_choice": "any"},
            "tool_choice",
            "tool_choice is 'any'; it must be 'none', 'auto' or 'required'",
        ),
        ({"tool_choice": {"type": "function"}}, "tool_choice", "tool_choice.name is missing"),
        ({"text": {"format": {"type": "grammar"}}}, "text", "text.format.type is 'grammar'; supported are"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text", "text.format.schema is missing"),
        ({"text": {"verbosity": "low"}}, "text", "only 'medium' is supported"),
        ({"reasoning": {"effort": "high"}}, "reasoning", "reasoning.effort is 'high'; it must be 'none'"),
        ({"reasoning": {"summary": "auto"}}, "reasoning", "not supported"),
        ({"metadata": {"a": 3}}, "metadata", "metadata.a is 3"),
        ({"metadata": {str(key): "" for key in range(17)}}, "metadata", "at most 16 items"),
        ({"previous_response_id": "resp_no"}, "previous_response_id", "there is no response 'resp_no'"),
        ({"background": True}, "background", "only False is supported"),
        ({"include": ["reasoning.encrypted_content"]}, "include", "only [] is supported"),
        ({"truncation": "auto"}, "truncation", "only 'disabled' is supported"),
        ({"max_tool_calls": 3}, "max_tool_calls", "not supported"),
        ({"top_logprobs": 2}, "top_logprobs", "only 0 is supported"),
        ({"service_tier": "flex"}, "service_tier", "only 'auto' or 'default' is supported"),
        ({"conversation": "c"}, "conversation", "not supported"),
        ({"prompt": {"id": "p"}}, "prompt", "not supported"),
        ({"context_management": [{}]}, "context_management", "only [] is supported"),
        ({"moderation": {}}, "moderation", "not supported"),
        ({"prompt_cache_retention": "24h"}, "prompt_cache_retention", "only 'in_memory' is supported"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options", "only False is supported"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1"),
        ({"messages": []}, "messages", "field 'messages' is unknown"),
    ],
)
def test_what_is_wrong_is_named(
    builtin_server: LiveServer, change: dict[str, Any], param: str | None, message: str
) -> None:
    reply = builtin_server.ask("/v1/responses", {**BODY, **change})
    assert reply.status in (400, 404)
    assert message in reply.error["message"]
    assert param is None or reply.error["param"] == param


def test_options_at_their_defaults_are_accepted(builtin_server: LiveServer) -> None:
    neutral = {
        "background": False,
        "include": [],
        "truncation": "disabled",
        "service_tier": "auto",
        "tools": [],
        "tool_choice": "auto",
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "reasoning": {"effort": "none"},
        "top_logprobs": 0,
        "user": "somebody",
        "safety_identifier": "somebody",
    }
    assert builtin_server.ask("/v1/responses", {**BODY, **neutral}).status == 200


def test_options_of_retrieving_are_refused(builtin_server: LiveServer) -> None:
    made = builtin_server.ask("/v1/responses", BODY).json["id"]
    for query in ("stream=true", "starting_after=3", "include=x", "nothing=1"):
        reply = builtin_server.ask(f"/v1/responses/{made}?{query}")
        assert (reply.status, reply.error["param"]) == (400, query.partition("=")[0])
    assert builtin_server.ask(f"/v1/responses/{made}?stream=false").status == 200


def test_no_tenant_reads_what_another_has(model: Path) -> None:
    with live_server(model, ServerSettings((NAME,))) as up:
        mine, theirs = {"x-weft-tenant": "mine"}, {"x-weft-tenant": "theirs"}
        made = up.ask("/v1/responses", BODY, headers=mine).json["id"]
        for other in (theirs, {}):
            assert up.ask(f"/v1/responses/{made}", headers=other).status == 404
            going_on = up.ask("/v1/responses", {**BODY, "previous_response_id": made}, headers=other)
            assert (going_on.status, going_on.error["code"]) == (404, "response_not_found")
        assert up.ask(f"/v1/responses/{made}", headers=mine).json["id"] == made


def test_the_store_is_bounded_and_fair() -> None:
    store = ResponseStore(most_responses=4, most_bytes=10_000)
    store.keep("quiet", "q", {"id": "q"}, [])
    for number in range(9):
        store.keep("loud", str(number), {"id": str(number)}, [{"role": "user", "content": "x" * 100}])
    assert store.response("quiet", "q") == {"id": "q"}
    kept = [number for number in range(9) if store.messages("loud", str(number)) is not None]
    assert kept == [6, 7, 8]
    store.keep("loud", "large", {"id": "x" * 20_000}, [])
    assert store.response("loud", "large") is None
    store.keep("loud", "most", {"id": "x" * 9_900}, [])
    assert [store.response("loud", name) is not None for name in ("8", "most")] == [False, True]
    assert store.response("quiet", "q") is not None


def test_a_stream_that_breaks_off_says_so(
    builtin_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = builtin_server.runner
    execute, calls = runner.execute, iter([True] * 4)
    monkeypatch.setattr(
        runner, "execute", Mock(side_effect=lambda *given: execute(*given) if next(calls, False) else 1 // 0)
    )
    told = events(builtin_server, "/v1/responses", BODY)
    last = told[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    assert last["response"]["error"]["code"] == "internal_error"
    assert "division" not in json.dumps(last)
    assert builtin_server.ask(f"/v1/responses/{last['response']['id']}").status == 404


def test_stops_and_a_fixed_length_as_in_chats(builtin_server: LiveServer) -> None:
    body = {"model": NAME, "input": "Tell me a story.", "temperature": 0, "max_output_tokens": 40}
    whole = builtin_server.ask("/v1/responses", {**body, "ignore_eos": True, "stop": None}).json
    assert whole["usage"]["output_tokens"] == 40
    text = whole["output"][0]["content"][0]["text"]
    cut = builtin_server.ask("/v1/responses", {**body, "stop": text[4:8]}).json
    assert cut["output"][0]["content"][0]["text"] == text.partition(text[4:8])[0]
