"""Asking a driven engine for output."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request
from weft.engine.driver import EngineDriver
from weft.engine.replica import Output


class Completion(NamedTuple):
    """How a request ended, with the output tokens of each sample."""

    request_id: str
    status: Status
    reason: str
    outputs: tuple[tuple[int, ...], ...]


async def stream(driver: EngineDriver, request: Request) -> AsyncGenerator[Output | RequestEnded, None]:
    """Outputs as they come, then how the request ended. Leaving early cancels the request.

    Raises what `Engine.submit` raises.
    """
    async with aclosing(_follow(driver, request, stream=True)) as all_news:
        async for news in all_news:
            yield news


async def generate(driver: EngineDriver, request: Request) -> Completion:
    """The whole output of a request. Cancelling the caller cancels the request.

    Raises what `Engine.submit` raises.
    """
    outputs: dict[int, tuple[int, ...]] = {}
    async with aclosing(_follow(driver, request, stream=False)) as all_news:
        async for news in all_news:
            if isinstance(news, RequestEnded):
                ordered = tuple(outputs[sample] for sample in sorted(outputs))
                return Completion(request.request_id, news.status, news.reason, ordered)
            outputs[news.sample_index] = outputs.get(news.sample_index, ()) + news.tokens
    raise AssertionError("a request's news end with its end")


async def _follow(
    driver: EngineDriver, request: Request, *, stream: bool
) -> AsyncGenerator[Output | RequestEnded, None]:
    news = driver.submit(request, stream=stream)
    is_over = False
    try:
        while not is_over:
            item = await news.get()
            is_over = not isinstance(item, Output)
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        if not is_over:
            driver.cancel(request.request_id)
