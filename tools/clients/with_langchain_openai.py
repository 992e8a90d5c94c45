"""What LangChain's models for OpenAI's protocols do with the server."""

import asyncio
from typing import Any

from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from tools.clients.alarm import Alarm
from tools.clients.checking import MODEL, MOST_TOKENS, QUESTION, TOOLS, check_time, main, refusal, require

KEY = SecretStr("none")


def model(url: str, **settings: Any) -> ChatOpenAI:
    """Retries nothing, so that errors are seen."""
    named: dict[str, Any] = {"model": MODEL, "max_tokens": MOST_TOKENS, **settings}
    return ChatOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, **named)


def chat(url: str) -> None:
    """An answer in one piece."""
    answer = model(url).invoke(QUESTION)
    require(answer.content and answer.usage_metadata, answer)


def stream(url: str) -> None:
    """An answer in pieces."""
    pieces = list(model(url).stream(QUESTION))
    require("".join(str(piece.content) for piece in pieces), pieces)


def tools(url: str) -> None:
    """A call."""
    answer = model(url).bind_tools(TOOLS, tool_choice="required").invoke(QUESTION)
    (call,) = answer.tool_calls
    check_time(call["args"])


def streamed_tools(url: str) -> None:
    """A call in pieces, joined."""
    first, *rest = model(url).bind_tools(TOOLS, tool_choice="required").stream(QUESTION)
    whole: Any = first
    for piece in rest:
        whole += piece
    (call,) = whole.tool_calls
    check_time(call["args"])


def structured(url: str) -> None:
    """An answer as an object of a class, by each of LangChain's ways."""
    for method in ("json_schema", "function_calling"):
        answer = model(url, max_tokens=400).with_structured_output(Alarm, method=method).invoke(QUESTION)
        require(isinstance(answer, Alarm), answer)


def asynchronous(url: str) -> None:
    """Several at once."""

    async def ask() -> list[AIMessage]:
        asked = model(url)
        answers = await asked.abatch([QUESTION] * 4)
        await asked.root_async_client.close()  # else its connections outlast the loop
        return answers

    answers = asyncio.run(ask())
    require(len(answers) == 4 and all(answer.content for answer in answers), answers)


def embeddings(url: str) -> None:
    """Vectors. LangChain's own count of tokens is OpenAI's, and is switched off."""
    embedder = OpenAIEmbeddings(
        model=MODEL, base_url=f"{url}/v1", api_key=KEY, check_embedding_ctx_length=False, max_retries=0
    )
    vectors = embedder.embed_documents(["one", "two"])
    require(len(vectors) == 2 and len(vectors[0]) > 1, vectors)


def responses(url: str) -> None:
    """The protocol of items, in one piece and in pieces."""
    asked = model(url, use_responses_api=True)
    require(asked.invoke(QUESTION).content, "no content")
    require(list(asked.stream(QUESTION)), "no pieces")


def other_model(url: str) -> str:
    """A name that is not served."""
    return refusal(
        lambda: model(url, model="gpt-4o").invoke(QUESTION),
        "model 'gpt-4o' is not served here; served are: 'weft-tiny'",
    )


CHECKS = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "streamed tools": streamed_tools,
    "structured": structured,
    "async": asynchronous,
    "embeddings": embeddings,
    "responses": responses,
    "another model's name": other_model,
}

if __name__ == "__main__":
    main(["langchain-openai", "openai"], CHECKS)
