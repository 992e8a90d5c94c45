"""Asking a driven engine for output."""

from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple, Protocol

from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request
from weft.contracts.steps import TokenLogprobs
from weft.engine.driver import News, OneNews
from weft.engine.replica import Output


class Asked(Protocol):
    """What makes output: an engine's driver, or a router with several behind it."""

    def submit(self, request: Request, *, stream: bool = False) -> News:
        """See `EngineDriver`."""

    def cancel(self, request_id: str) -> None:
        """See `EngineDriver`."""

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool:
        """See `EngineDriver`."""


class Completion(NamedTuple):
    """How a request ended, with the output tokens of each sample, and their log-probabilities where it asked; what it
    asked of its prompt as in `Output`."""

    request_id: str
    status: Status
    reason: str
    outputs: tuple[tuple[int, ...], ...]
    logprobs: tuple[tuple[TokenLogprobs, ...], ...]
    prompt_logprobs: tuple[TokenLogprobs, ...] | None = None
    embedding: "array[float] | None" = None


async def stream(
    driver: Asked, request: Request, *, whole: bool = False, offer: Callable[[OneNews], bool] | None = None
) -> AsyncGenerator[Output | RequestEnded, None]:
    """Outputs as they come, or each as a `whole` at its end; last, how the request ended. Leaving early cancels
    the request. `offer`: see `Mailbox`.

    Raises what `Engine.submit` raises.
    """
    news = driver.submit(request, stream=not whole)
    news.offer = offer
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


async def generate(driver: Asked, request: Request) -> Completion:
    """The whole output of a request. Cancelling the caller cancels the request.

    Raises what `Engine.submit` raises.
    """
    told: dict[int, Output] = {}  # without a stream, each output is told at its end
    async with aclosing(stream(driver, request, whole=True)) as all_news:
        async for news in all_news:
            if isinstance(news, RequestEnded):
                ordered = [told[sample] for sample in sorted(told)]
                outputs = tuple(output.tokens for output in ordered)
                logprobs = tuple(output.logprobs for output in ordered)
                end, first = (request.request_id, news.status, news.reason), told.get(0)
                of_prompt = () if first is None else (first.prompt_logprobs, first.embedding)
                return Completion(*end, outputs, logprobs, *of_prompt)
            told[news.sample_index] = news
    raise AssertionError("a request's news end with its end")
