"""What the anthropic SDK does with the server."""

import asyncio
from typing import Any

import anthropic

from tools.clients.alarm import Alarm
from tools.clients.checking import (
    FUNCTION,
    MESSAGES,
    MODEL,
    MOST_TOKENS,
    TIME_SCHEMA,
    check_time,
    main,
    refusal,
    require,
)

TOOL: Any = {"name": FUNCTION["name"], "description": FUNCTION["description"], "input_schema": TIME_SCHEMA}
ASK: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "max_tokens": MOST_TOKENS}
CALL: dict[str, Any] = {**ASK, "tools": [TOOL], "tool_choice": {"type": "any"}}


def client(url: str) -> anthropic.Anthropic:
    """Retries nothing, so that errors are seen."""
    return anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)


def chat(url: str) -> None:
    """An answer in one piece."""
    with client(url) as made:
        answer = made.messages.create(**ASK)
    require(answer.content[0].type == "text" and answer.usage.output_tokens, answer)


def stream(url: str) -> None:
    """An answer in pieces."""
    with client(url) as made, made.messages.stream(**ASK) as events:
        told = "".join(events.text_stream)
    require(told, told)


def tools(url: str) -> None:
    """A call."""
    with client(url) as made:
        answer = made.messages.create(**CALL)
    _check_call(answer)


def streamed_tools(url: str) -> None:
    """A call in pieces, joined by the SDK."""
    with client(url) as made, made.messages.stream(**CALL) as events:
        _check_call(events.get_final_message())


def _check_call(answer: Any) -> None:
    (call,) = (block for block in answer.content if block.type == "tool_use")
    check_time(call.input)


def structured(url: str) -> None:
    """An answer as an object of a class."""
    with client(url) as made:
        answer = made.messages.parse(**{**ASK, "max_tokens": 400}, output_format=Alarm)
    require(isinstance(answer.parsed_output, Alarm), answer)


def asynchronous(url: str) -> None:
    """Several at once."""

    async def ask() -> list[Any]:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as made:
            return await asyncio.gather(*(made.messages.create(**ASK) for _ in range(4)))

    answers = asyncio.run(ask())
    require(all(answer.content for answer in answers), answers)


def counting(url: str) -> None:
    """The length of a prompt."""
    with client(url) as made:
        counted = made.messages.count_tokens(model=MODEL, messages=MESSAGES)
    require(counted.input_tokens > 1, counted)


def other_model(url: str) -> str:
    """A name that is not served."""
    with client(url) as made:
        return refusal(
            lambda: made.messages.create(**{**ASK, "model": "claude"}),
            "model 'claude' is not served here; served are: 'weft-tiny'",
        )


CHECKS = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "streamed tools": streamed_tools,
    "structured": structured,
    "async": asynchronous,
    "count tokens": counting,
    "another model's name": other_model,
}

if __name__ == "__main__":
    main(["anthropic"], CHECKS)
