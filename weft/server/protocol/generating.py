"""From the prompts of one HTTP request to its choices.

Each prompt becomes a request of its own to the engine. Choices are numbered prompt by prompt, the outputs of
each in order.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from weft.contracts.callers import ANYONE, Caller
from weft.contracts.requests import SamplingParams
from weft.llm.answering import Taker
from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk, CompletionOutput

Answer = TypeVar("Answer")

MOST_AHEAD = 64
"""Chunks made before the client has taken those before them; what it leaves waits in the engine, which bounds it."""


class Asked(NamedTuple):
    """One prompt, what to do with it, and for whom."""

    tokens: tuple[int, ...]
    sampling: SamplingParams
    caller: Caller = ANYONE


class Usage:
    """Tokens of a whole HTTP request: each prompt counts once, however many outputs it has."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.prompt_tokens = sum(len(each.tokens) for each in asked)
        self.completion_tokens = 0

    def as_json(self) -> dict[str, int]:
        """As both protocols have it."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }


async def all_of(work: Iterable[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """What each of these gives, in order. Where one fails, or the caller is cancelled, the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def whole_outputs(llm: LanguageModel, asked: Sequence[Asked]) -> list[CompletionOutput]:
    """All choices, in order. Where one prompt fails, or the caller is cancelled, the others are cancelled."""
    answers = await all_of(llm.generate(*each) for each in asked)
    outputs = [output for answer in answers for output in answer.outputs]
    return [replace(output, index=index) for index, output in enumerate(outputs)]


def chunks(
    llm: LanguageModel, asked: Sequence[Asked], taker: Taker | None = None
) -> AsyncGenerator[CompletionChunk, None]:
    """News of all choices as they come. Leaving early cancels all; so does the failure of one. Where there is but one
    prompt, `taker` may take some."""
    return llm.stream(*asked[0], taker=taker) if len(asked) == 1 else _merged(llm, asked)


async def _merged(llm: LanguageModel, asked: Sequence[Asked]) -> AsyncGenerator[CompletionChunk, None]:
    queue: asyncio.Queue[CompletionChunk | Exception | None] = asyncio.Queue(MOST_AHEAD)
    first_index, tasks = 0, []
    for each in asked:
        tasks.append(asyncio.ensure_future(_pump(llm, each, first_index, queue)))
        first_index += each.sampling.n
    num_open = len(tasks)
    try:
        while num_open:
            news = await queue.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                num_open -= 1
            else:
                yield news
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(
    llm: LanguageModel,
    asked: Asked,
    first_index: int,
    queue: "asyncio.Queue[CompletionChunk | Exception | None]",
) -> None:
    try:
        async with aclosing(llm.stream(*asked)) as news:
            async for chunk in news:
                await queue.put(replace(chunk, index=first_index + chunk.index))
        await queue.put(None)
    except Exception as error:
        await queue.put(error)
