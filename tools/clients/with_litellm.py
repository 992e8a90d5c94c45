"""What LiteLLM does with the server, as one of its OpenAI-compatible and Anthropic-compatible ones."""

import asyncio
from typing import Any

import litellm

from tools.clients.alarm import Alarm
from tools.clients.checking import MESSAGES, MODEL, MOST_TOKENS, TOOLS, check_time, main, refusal, require


def asking(url: str, **settings: Any) -> dict[str, Any]:
    """Arguments of every call; retries nothing, so that errors are seen."""
    where = {"model": f"openai/{MODEL}", "api_base": f"{url}/v1", "api_key": "none", "max_retries": 0}
    return {**where, "messages": MESSAGES, "max_tokens": MOST_TOKENS, **settings}


def chat(url: str) -> None:
    """An answer in one piece."""
    answer = litellm.completion(**asking(url))
    require(answer.choices[0].message.content and answer.usage.completion_tokens, answer)


def stream(url: str) -> None:
    """An answer in pieces."""
    pieces = list(litellm.completion(**asking(url, stream=True)))
    require("".join(piece.choices[0].delta.content or "" for piece in pieces), pieces)


def tools(url: str) -> None:
    """A call."""
    answer = litellm.completion(**asking(url, tools=TOOLS, tool_choice="required"))
    (call,) = answer.choices[0].message.tool_calls
    check_time(call.function.arguments)


def streamed_tools(url: str) -> None:
    """A call in pieces, joined."""
    pieces = list(litellm.completion(**asking(url, tools=TOOLS, tool_choice="required", stream=True)))
    (call,) = litellm.stream_chunk_builder(pieces).choices[0].message.tool_calls
    check_time(call.function.arguments)


def structured(url: str) -> None:
    """An answer that fits a class."""
    answer = litellm.completion(**asking(url, response_format=Alarm, max_tokens=400))
    Alarm.model_validate_json(answer.choices[0].message.content)


def asynchronous(url: str) -> None:
    """Several at once."""

    async def ask() -> list[Any]:
        return await asyncio.gather(*(litellm.acompletion(**asking(url)) for _ in range(4)))

    answers = asyncio.run(ask())
    require(all(answer.choices[0].message.content for answer in answers), answers)


def completions(url: str) -> None:
    """A prompt continued."""
    given = asking(url, prompt="Once upon a time", model=f"text-completion-openai/{MODEL}")
    del given["messages"]
    require(litellm.text_completion(**given).choices[0].text, "no text")


def embeddings(url: str) -> None:
    """Vectors."""
    answer = litellm.embedding(
        model=f"openai/{MODEL}", input=["one", "two"], api_base=f"{url}/v1", api_key="none"
    )
    require(len(answer.data) == 2, answer)


def responses(url: str) -> None:
    """The protocol of items."""
    answer = litellm.responses(
        model=f"openai/{MODEL}", input="tea?", max_output_tokens=8, api_base=f"{url}/v1", api_key="none"
    )
    require(answer.output, answer)


def messages(url: str) -> None:
    """Anthropic's protocol."""
    answer = litellm.completion(**asking(url, model=f"anthropic/{MODEL}", api_base=url))
    require(answer.choices[0].message.content, answer)


def other_model(url: str) -> str:
    """A name that is not served."""
    return refusal(
        lambda: litellm.completion(**asking(url, model="openai/gpt-4o")),
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
    "messages": messages,
    "another model's name": other_model,
}

if __name__ == "__main__":
    main(["litellm", "openai", "httpx"], CHECKS)
