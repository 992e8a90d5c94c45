"""What the openai SDK does with the server."""

import asyncio
from typing import Any

import openai

from tools.clients.alarm import Alarm
from tools.clients.checking import (
    FUNCTION,
    IMAGE,
    MESSAGES,
    MODEL,
    MOST_TOKENS,
    QUESTION,
    TOOLS,
    check_time,
    main,
    refusal,
    require,
)


def client(url: str) -> openai.OpenAI:
    """Retries nothing, so that errors are seen."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def chat(url: str) -> None:
    """An answer in one piece."""
    with client(url) as made:
        answer = made.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=MOST_TOKENS)
    require(answer.choices[0].message.content and answer.usage, answer)


def stream(url: str) -> None:
    """An answer in pieces."""
    with client(url) as made:
        pieces = list(
            made.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=MOST_TOKENS, stream=True)
        )
    require("".join(piece.choices[0].delta.content or "" for piece in pieces), pieces)


def tools(url: str) -> None:
    """A call."""
    with client(url) as made:
        answer = made.chat.completions.create(
            model=MODEL, messages=MESSAGES, tools=TOOLS, tool_choice="required", max_tokens=MOST_TOKENS
        )
    (call,) = answer.choices[0].message.tool_calls or []
    require(call.type == "function", call)
    check_time(call.model_dump()["function"]["arguments"])


def streamed_tools(url: str) -> None:
    """A call in pieces, joined by the SDK."""
    with (
        client(url) as made,
        made.chat.completions.stream(
            model=MODEL, messages=MESSAGES, tools=TOOLS, tool_choice="required", max_tokens=MOST_TOKENS
        ) as events,
    ):
        answer = events.get_final_completion()
    (call,) = answer.choices[0].message.tool_calls or []
    check_time(call.function.arguments)


def structured(url: str) -> None:
    """An answer as an object of a class."""
    with client(url) as made:
        answer = made.chat.completions.parse(
            model=MODEL, messages=MESSAGES, response_format=Alarm, max_tokens=400
        )
    require(isinstance(answer.choices[0].message.parsed, Alarm), answer)


def asynchronous(url: str) -> None:
    """Several at once."""

    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
            asked = [
                made.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=MOST_TOKENS)
                for _ in range(4)
            ]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    answers = asyncio.run(ask())
    require(len(answers) == 4 and all(answers), answers)


def completions(url: str) -> None:
    """A prompt continued."""
    with client(url) as made:
        answer = made.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=8)
    require(answer.choices[0].text, answer)


def embeddings(url: str) -> None:
    """Vectors."""
    with client(url) as made:
        answer = made.embeddings.create(model=MODEL, input=["one", "two"])
    require(len(answer.data) == 2 and len(answer.data[0].embedding) > 1, answer)


def responses(url: str) -> None:
    """The protocol of items, with a call."""
    tool: Any = {"type": "function", "strict": True, **FUNCTION}
    with client(url) as made:
        answer = made.responses.create(
            model=MODEL,
            input=QUESTION,
            tools=[tool],
            tool_choice="required",
            max_output_tokens=MOST_TOKENS,
        )
    (call,) = (item for item in answer.output if item.type == "function_call")
    check_time(call.arguments)


def images(url: str) -> str:
    """No model here sees."""
    with client(url) as made:
        return refusal(
            lambda: made.chat.completions.create(model=MODEL, messages=IMAGE),
            'it must be {"type": "text", "text": …}',
        )


def other_model(url: str) -> str:
    """A name that is not served."""
    with client(url) as made:
        return refusal(
            lambda: made.chat.completions.create(model="gpt-4o", messages=MESSAGES),
            "model 'gpt-4o' is not served here; served are: 'weft-tiny'",
        )


CHECKS = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "streamed tools": streamed_tools,
    "structured": structured,
    "async": asynchronous,
    "completions": completions,
    "embeddings": embeddings,
    "responses": responses,
    "images": images,
    "another model's name": other_model,
}

if __name__ == "__main__":
    main(["openai"], CHECKS)
