"""What a router and the way to its replicas cost, around an executor that does nothing.

Steps take the time that they are told to, so that frames come as in service: one per step and replica.
"""

import asyncio
import time
from dataclasses import dataclass
from itertools import count
from statistics import median

from weft.contracts.errors import WeftError
from weft.contracts.events import RequestEnded, Status
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import stream
from weft.measurement.cluster_contenders import PROMPT_TOKENS, Contender, Setting, contender, prepared
from weft.measurement.server.processes import usage_of


@dataclass(frozen=True, slots=True)
class WayFigures:
    """Processor time of the process that asks, in microseconds: per request and its first token; per token of many
    streams, and of one. `replica_token_us`: of the replica's process, per token of many streams; None where it has
    none. `delay_ms`: from asking an idle replica to the first token, beyond the step."""

    request_us: float
    token_us: float
    single_token_us: float
    replica_token_us: float | None
    delay_ms: float


def bench_request(number: int, tokens: int) -> Request:
    """One for so many tokens, its prompt unlike any other from the first token on."""
    prompt = TokenPrompt(tuple(range(number, number + PROMPT_TOKENS)))
    return Request(f"request-{number:08d}", prompt, SamplingParams(max_tokens=tokens, ignore_eos=True))


def check_end(end: RequestEnded, tokens: int) -> None:
    """Raises `WeftError` where a request did not get what it asked for."""
    if (end.status, end.output_tokens) != (Status.FINISHED, tokens):
        got = f"{end.status.value} with {end.output_tokens} of {tokens} tokens"
        raise WeftError(f"{end.request_id} is {got}: {end.reason}")


def bench_way(way: str, setting: Setting, num_delays: int) -> WayFigures:
    """One of `WAYS`, by itself. Raises `ConfigurationError` where Ray is not there."""

    async def measure() -> WayFigures:
        async with contender(way, setting) as found:
            return await _Bench(found, setting).figures(num_delays)

    with prepared(way):
        return asyncio.run(measure())


class _Bench:
    """One contender, asked again and again."""

    def __init__(self, contender: Contender, setting: Setting) -> None:
        self._contender, self._setting = contender, setting
        self._numbers = count()

    async def figures(self, num_delays: int) -> WayFigures:
        """What comes first warms up and does not count."""
        streams, tokens = self._setting.streams, self._setting.tokens
        await self._cost(streams, 1)
        request_s = (await self._cost(streams, 1))[0] / streams
        here_s, there_s = await self._cost(streams, tokens)
        single_s, _ = await self._cost(1, tokens)
        return WayFigures(
            request_us=1e6 * request_s,
            token_us=1e6 * (here_s / streams - request_s) / (tokens - 1),
            single_token_us=1e6 * (single_s - request_s) / (tokens - 1),
            replica_token_us=1e6 * there_s / (streams * tokens) if self._contender.process_ids else None,
            delay_ms=median([await self._delay_ms() for _ in range(num_delays)]),
        )

    async def _cost(self, streams: int, tokens: int) -> tuple[float, float]:
        """Seconds of processor time, here and of replicas elsewhere, for so many streams at once."""
        here_s, there_s = time.process_time(), self._elsewhere_s()
        await asyncio.gather(*(self._ask(tokens) for _ in range(streams)))
        return time.process_time() - here_s, self._elsewhere_s() - there_s

    def _elsewhere_s(self) -> float:
        return sum(usage_of(each).cpu_s for each in self._contender.process_ids.values())

    async def _ask(self, tokens: int) -> None:
        async for news in stream(self._contender.driver, bench_request(next(self._numbers), tokens)):
            if isinstance(news, RequestEnded):
                check_end(news, tokens)

    async def _delay_ms(self) -> float:
        begun_s = time.perf_counter()
        await self._ask(1)
        return 1e3 * (time.perf_counter() - begun_s - self._setting.step_s)
