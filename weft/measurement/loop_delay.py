"""How late the event loop is while a model computes: what keeps a server from answering anybody else.

A tick is due every millisecond. The executor's kernels release the interpreter lock, its Python does not, and both
need processors; whatever delays the tick would delay a health check, a new connection, a token on its way.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from weft.contracts.events import RequestEnded
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import stream
from weft.engine.driver import EngineDriver
from weft.measurement.token_times import percentile

if TYPE_CHECKING:
    from weft.executor.loading import Serving

TICK_S = 0.001
IDLE_S = 2.0
"""How long the loop is watched with nothing to do, to know the machine's own share."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Lateness of ticks in milliseconds, over how many."""

    median_ms: float
    p99_ms: float
    most_ms: float
    num_ticks: int


@dataclass(frozen=True, slots=True)
class LoopDelays:
    """`idle`: nothing runs. `decoding`: all streams decode. `prefill`: they do while a long prompt is taken in."""

    idle: Delays
    decoding: Delays
    prefill: Delays


class Ticker:
    """Notes how late each tick is."""

    def __init__(self) -> None:
        self._late_s: list[float] = []
        self._task = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due_s = now() + TICK_S
            await asyncio.sleep(TICK_S)
            self._late_s.append(now() - due_s)

    def take(self) -> Delays:
        """What was seen since the last call; at least one tick must have passed."""
        late_ms = [1e3 * each for each in self._late_s]
        self._late_s.clear()
        return Delays(percentile(late_ms, 0.5), percentile(late_ms, 0.99), max(late_ms), len(late_ms))

    def stop(self) -> None:
        """Tick no more."""
        self._task.cancel()


async def measure_loop_delays(
    serving: "Serving", num_streams: int, prompt_tokens: int, prefill_tokens: int, output_tokens: int
) -> LoopDelays:
    """Streams of `output_tokens` each after prompts of `prompt_tokens`; when all have decoded half of theirs, one
    prompt of `prefill_tokens` arrives."""
    driver, random = EngineDriver(serving.config, serving.executor), Random(0)
    ticker = Ticker()
    await asyncio.sleep(IDLE_S)
    idle = ticker.take()
    progress = [0] * num_streams
    clients = [
        asyncio.create_task(
            _follow(
                driver, _request(serving, random, str(number), prompt_tokens, output_tokens), progress, number
            )
        )
        for number in range(num_streams)
    ]
    await _until(progress, 1)
    ticker.take()
    await _until(progress, output_tokens // 2)
    decoding = ticker.take()
    async for _ in stream(driver, _request(serving, random, "long", prefill_tokens, 1)):
        pass
    prefill = ticker.take()
    ticker.stop()
    await asyncio.gather(*clients)
    return LoopDelays(idle, decoding, prefill)


async def _until(progress: Sequence[int], tokens: int) -> None:
    while min(progress) < tokens:  # noqa: ASYNC110  the wait is a tick of its own and disturbs nothing
        await asyncio.sleep(TICK_S)


def _request(
    serving: "Serving", random: Random, name: str, prompt_tokens: int, output_tokens: int
) -> Request:
    prompt = tuple(random.randrange(serving.spec.vocab_size) for _ in range(prompt_tokens))
    return Request(name, TokenPrompt(prompt), SamplingParams(max_tokens=output_tokens, temperature=0.0))


async def _follow(driver: EngineDriver, request: Request, progress: list[int], number: int) -> None:
    async for news in stream(driver, request):
        if not isinstance(news, RequestEnded):
            progress[number] += len(news.tokens)
