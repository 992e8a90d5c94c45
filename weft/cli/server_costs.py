"""What HTTP costs per streamed token and per request: the same streams are read from the engine, from `AsyncLLM`, and
through a socket, with an executor that does nothing; each part costs what the next reading costs more."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from weft.cli.null_server import NullLLM
from weft.contracts.callers import ANYONE
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import SamplingParams
from weft.engine.client import stream
from weft.engine.driver import EngineDriver
from weft.measurement.server.byte_reader import QUESTION, ReaderFigures
from weft.measurement.server.processes import Usage, line_with, output_of, running, usage

READER, SERVER = "weft.measurement.server.byte_reader", "weft.cli.null_server"
Read = Callable[[int, int], float]
"""Reads so many streams of so many tokens; returns the processor time it took, in seconds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time in microseconds, of one streamed token, and of a request with its first token."""

    token_us: float
    request_us: float

    def beyond(self, other: "Cost") -> "Cost":
        """What this is more than another; the clock is too coarse to tell less than nothing."""
        return Cost(max(0.0, self.token_us - other.token_us), max(0.0, self.request_us - other.request_us))


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """`parts`: engine, text and HTTP of the server's work. `tokens_per_s`: by the clock on the wall, and per second of
    the server's processor time, None where that is less than a tick of the system's clock. `start`: of `weft serve`
    with the built-in model, at `ready_s` from its start."""

    parts: dict[str, Cost]
    read: ReaderFigures
    tokens_per_s: float
    tokens_per_cpu_s: float | None
    ready_s: float
    start: Usage


def bench_server(streams: int, tokens: int) -> ServerFigures:
    """Measure all of it. Raises `ConfigurationError` where a process does not do what it should."""
    ready_s, start = _start()
    engine, text = asyncio.run(_in_process(streams, tokens))
    with running(SERVER, str(streams)) as server:
        port, figures = int(line_with(server)), list[ReaderFigures]()

        def read(num_streams: int, num_tokens: int) -> float:
            before_s = usage(server).cpu_s
            figures.append(_read(port, num_streams, num_tokens))
            return usage(server).cpu_s - before_s

        http, cpu_s = _cost(read, streams, tokens)
    parts = {"engine": engine, "text": text.beyond(engine), "HTTP": http.beyond(text)}
    num_tokens, last = streams * tokens, figures[-1]
    per_cpu_s = num_tokens / cpu_s if cpu_s else None
    return ServerFigures(parts, last, num_tokens / last.wall_s, per_cpu_s, ready_s, start)


def _start() -> tuple[float, Usage]:
    begun_s = time.perf_counter()
    with running("weft.cli.main", "serve", "--port", "0", "--log-level", "error") as server:
        line_with(server, "ready after")
        return time.perf_counter() - begun_s, usage(server)


def _read(port: int, streams: int, tokens: int) -> ReaderFigures:
    return ReaderFigures(**json.loads(output_of(READER, str(port), str(streams), str(tokens))))


def _cost(read: Read, streams: int, tokens: int) -> tuple[Cost, float]:
    """And the seconds that the long streams took. What comes first warms up and does not count."""
    read(streams, 1)
    short_s, long_s = read(streams, 1), read(streams, tokens)
    token_s = max(0.0, long_s - short_s) / (streams * (tokens - 1))
    return Cost(1e6 * token_s, 1e6 * short_s / streams), long_s


async def _in_process(streams: int, tokens: int) -> tuple[Cost, Cost]:
    """From the engine, and as text."""
    async with NullLLM(streams) as llm:
        prompt = await llm.encode_chat([{"role": "user", "content": QUESTION}])
        driver, numbers = EngineDriver(llm.serving.config, llm.executor), count()

        async def engine(sampling: SamplingParams) -> None:
            request = ANYONE.request(str(next(numbers)), TokenPrompt(prompt), sampling)
            async for _ in stream(driver, request):
                pass

        async def text(sampling: SamplingParams) -> None:
            async for _ in llm.stream(prompt, sampling):
                pass

        return await _costs_of(engine, streams, tokens), await _costs_of(text, streams, tokens)


async def _costs_of(one: Callable[[SamplingParams], Awaitable[None]], streams: int, tokens: int) -> Cost:
    seconds = []
    for num_tokens in (1, 1, tokens):  # as `_cost` reads
        sampling, begun_s = SamplingParams(max_tokens=num_tokens, ignore_eos=True), time.process_time()
        await asyncio.gather(*(one(sampling) for _ in range(streams)))
        seconds.append(time.process_time() - begun_s)
    measured = iter(seconds)
    return _cost(lambda num_streams, num_tokens: next(measured), streams, tokens)[0]
