"""From a request to chunks of its outputs."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Protocol

from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request
from weft.engine.client import Asked, stream
from weft.engine.driver import OneNews
from weft.engine.replica import Output
from weft.llm.output_reader import OutputReader, output_reader
from weft.llm.prompting import Prompting
from weft.llm.results import CompletionChunk, failure


class Preparation(Protocol):
    """What an executor must be told of a request that does not stand in its steps."""

    def held(self, request: Request) -> AbstractAsyncContextManager[None]:
        """Within, it knows. Raises `InvalidRequest`, `RequestRejected`."""

    def close(self) -> None:
        """Nothing is asked any more."""


class Taker(Protocol):
    """Takes chunks as they come, past whoever waits for them: for nearly all, a call is enough, and costs less than to
    let a task go on for each."""

    @property
    def is_ready(self) -> bool:
        """Whether it would take one now."""

    def take(self, chunk: CompletionChunk) -> None:
        """One that is neither the first nor the last of its output."""


async def answer(
    driver: Asked,
    prompting: Prompting,
    preparation: Preparation,
    request: Request,
    *,
    is_streamed: bool,
    taker: Taker | None = None,
) -> AsyncGenerator[CompletionChunk, None]:
    """News of each output as they come, or of each at its end. Leaving early cancels the request. What `taker` takes is
    not among them.

    Raises `InvalidRequest`, `RequestRejected`, `RequestFailed`.
    """
    readers: dict[int, OutputReader] = {}
    # A stop string ends an output by another call to the engine, which is telling what is new just now.
    offer = None if taker is None or request.sampling.stop else partial(_offer, taker, readers)
    prepared = preparation.held(request)
    async with prepared, aclosing(stream(driver, request, whole=not is_streamed, offer=offer)) as all_news:
        async for news in all_news:
            if isinstance(news, RequestEnded):
                if news.status is not Status.FINISHED:
                    raise failure(request.request_id, news.status, news.reason)
                return
            index = news.sample_index
            if index not in readers:
                readers[index] = output_reader(prompting, request.sampling, index)
            yield readers[index].read(news)
            stopped_after = readers[index].stopped_after
            if stopped_after is not None and news.status is None:
                driver.stop_output(request.request_id, index, stopped_after)


def _offer(taker: Taker, readers: dict[int, OutputReader], news: OneNews) -> bool:
    """Whether this was taken."""
    if not isinstance(news, Output) or news.status is not None:
        return False
    reader = readers.get(news.sample_index)
    if reader is None or not taker.is_ready:
        return False
    taker.take(reader.read(news))
    return True
