"""From the prompts of one HTTP request to its choices.

Each prompt becomes a request of its own to the engine. Choices are numbered prompt by prompt, the outputs of
each in order.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import NamedTuple

from weft.contracts.requests import SamplingParams
from weft.llm.async_llm import AsyncLLM
from weft.llm.results import CompletionChunk, CompletionOutput


class Asked(NamedTuple):
    """One prompt, and what to do with it."""

    tokens: tuple[int, ...]
    sampling: SamplingParams


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


async def whole_outputs(llm: AsyncLLM, asked: Sequence[Asked]) -> list[CompletionOutput]:
    """All choices, in order. Where one prompt fails, or the caller is cancelled, the others are cancelled."""
    tasks = [asyncio.ensure_future(llm.generate(each.tokens, each.sampling)) for each in asked]
    try:
        answers = await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    outputs = [output for answer in answers for output in answer.outputs]
    return [replace(output, index=index) for index, output in enumerate(outputs)]


async def chunks(llm: AsyncLLM, asked: Sequence[Asked]) -> AsyncGenerator[CompletionChunk, None]:
    """News of all choices as they come. Leaving early cancels all; so does the failure of one."""
    queue: asyncio.Queue[CompletionChunk | Exception | None] = asyncio.Queue()
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
    llm: AsyncLLM,
    asked: Asked,
    first_index: int,
    queue: "asyncio.Queue[CompletionChunk | Exception | None]",
) -> None:
    try:
        async with aclosing(llm.stream(asked.tokens, asked.sampling)) as news:
            async for chunk in news:
                queue.put_nowait(replace(chunk, index=first_index + chunk.index))
        queue.put_nowait(None)
    except Exception as error:
        queue.put_nowait(error)
