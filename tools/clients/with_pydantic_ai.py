"""What agents of Pydantic AI do with the server, in each of the three protocols."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anthropic
import openai
from pydantic_ai import Agent, ModelSettings, NativeOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tools.clients.alarm import Alarm
from tools.clients.checking import MODEL, QUESTION, main, refusal, require

SETTINGS = ModelSettings(max_tokens=400, temperature=0.0)
Opened = Callable[[str], AbstractAsyncContextManager[Model]]


def client(url: str) -> openai.AsyncOpenAI:
    """Retries nothing, so that errors are seen."""
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


@asynccontextmanager
async def chat_model(url: str) -> AsyncIterator[Model]:
    """By chat completions."""
    async with client(url) as made:
        yield OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=made))


@asynccontextmanager
async def unknown_model(url: str) -> AsyncIterator[Model]:
    """One that is not served."""
    async with client(url) as made:
        yield OpenAIChatModel("other", provider=OpenAIProvider(openai_client=made))


@asynccontextmanager
async def responses_model(url: str) -> AsyncIterator[Model]:
    """By responses."""
    async with client(url) as made:
        yield OpenAIResponsesModel(MODEL, provider=OpenAIProvider(openai_client=made))


@asynccontextmanager
async def messages_model(url: str) -> AsyncIterator[Model]:
    """By messages."""
    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as made:
        yield AnthropicModel(MODEL, provider=AnthropicProvider(anthropic_client=made))


def asked(url: str, opened: Opened, ask: Callable[[Model], Awaitable[Any]]) -> Any:
    """What comes of asking a model."""

    async def run() -> Any:
        async with opened(url) as model:
            return await ask(model)

    return asyncio.run(run())


def chat(url: str) -> None:
    """An answer in one piece."""
    answer = asked(url, chat_model, lambda model: Agent(model, model_settings=SETTINGS).run(QUESTION))
    require(answer.output and answer.usage.output_tokens, answer)


def stream(url: str) -> None:
    """An answer in pieces."""

    async def ask(model: Model) -> list[str]:
        async with Agent(model, model_settings=SETTINGS).run_stream(QUESTION) as answer:
            return [piece async for piece in answer.stream_text(delta=True)]

    pieces = asked(url, chat_model, ask)
    require("".join(pieces), pieces)


def _objects(opened: Opened, output_type: Any) -> Callable[[str], None]:
    def check(url: str) -> None:
        """The answer is an object."""

        async def ask(model: Model) -> Any:
            agent: Agent[None, Any] = Agent(model, output_type=output_type, model_settings=SETTINGS)
            return await agent.run(QUESTION)

        answer = asked(url, opened, ask)
        require(isinstance(answer.output, Alarm), answer)

    return check


def asynchronous(url: str) -> None:
    """Several at once."""

    async def ask(model: Model) -> list[str]:
        agent = Agent(model, model_settings=SETTINGS)
        return [answer.output for answer in await asyncio.gather(*(agent.run(QUESTION) for _ in range(4)))]

    answers = asked(url, chat_model, ask)
    require(len(answers) == 4 and all(answers), answers)


def other_model(url: str) -> str:
    """A name that is not served."""
    return refusal(
        lambda: asked(url, unknown_model, lambda model: Agent(model).run(QUESTION)),
        "model 'other' is not served here; served are: 'weft-tiny'",
    )


CHECKS = {
    "chat": chat,
    "stream": stream,
    "tools": _objects(chat_model, Alarm),
    "structured": _objects(chat_model, NativeOutput(Alarm)),
    "async": asynchronous,
    "responses": _objects(responses_model, Alarm),
    "messages": _objects(messages_model, Alarm),
    "another model's name": other_model,
}

if __name__ == "__main__":
    main(["pydantic-ai-slim", "openai", "anthropic"], CHECKS)
