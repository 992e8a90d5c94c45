"""Weft as a contender: an engine, its clients, and the event loop that they share."""

import asyncio
import gc
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeVar

from weft.contracts.errors import InvariantViolation, WeftError
from weft.contracts.events import RequestEnded, Status, StepRecord
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import stream
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.driver import EngineDriver
from weft.measurement.contenders import Job, Load
from weft.measurement.token_times import (
    LatencyRun,
    ThroughputRun,
    TokenTimes,
    latency_run,
    mean_running,
    wall_s,
)
from weft.observation.event_log import EventLog
from weft.observation.metrics import EngineMetrics

if TYPE_CHECKING:
    from weft.executor.loading import Serving

T = TypeVar("T")


class EngineContender:
    """Serves loads with one engine that lives as long as this. Takes over `serving` and closes it."""

    name = "weft"

    def __init__(self, serving: "Serving") -> None:
        self._serving = serving
        self._runner = asyncio.Runner()
        self._engine = self._run(_start(serving))

    def latency(self, load: Load) -> LatencyRun:
        """Serve a batch; see `Contender`."""
        hits_before = self._engine.metrics.prefix_cache_hits.value
        requests = self._run(self._engine.serve(load))
        return latency_run(requests, self._engine.metrics.prefix_cache_hits.value - hits_before)

    def spaced(self, jobs: Sequence[tuple[float, Job]]) -> list[list[float]]:
        """Serve each job from so many seconds after the call on; when its tokens came, in seconds after the call."""
        return self._run(self._engine.serve_spaced(jobs))

    def throughput(self, load: Load) -> ThroughputRun:
        """Serve a load; see `Contender`."""
        metrics = self._engine.metrics
        hits_before, preemptions_before = metrics.prefix_cache_hits.value, metrics.num_preemptions.value
        requests = self._run(self._engine.serve(load))
        return ThroughputRun(
            wall_s(requests),
            len(requests),
            sum(request.prompt_tokens for request in requests),
            sum(len(request.tokens_s) for request in requests),
            mean_running(self._engine.steps, min(request.submitted_s for request in requests)),
            metrics.num_preemptions.value - preemptions_before,
            metrics.prefix_cache_hits.value - hits_before,
        )

    def close(self) -> None:
        """End the threads and the loop."""
        self._serving.close()
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        gc.collect()  # so that what earlier runs left behind is not collected in the midst of this one
        return self._runner.run(work)


class _Engine:
    """The part that belongs to the event loop. `steps`: of the last load, when each returned and how many
    sequences it computed."""

    def __init__(self, serving: "Serving") -> None:
        log = EventLog()
        self.metrics = EngineMetrics(log)
        self.steps: list[tuple[float, int]] = []
        log.subscribe(self._note_step, StepRecord)
        config = replace(serving.config, max_queued_tokens=UNBOUNDED_TOKENS)
        self._driver = EngineDriver(config, serving.executor, log)
        self._stepped = asyncio.Event()
        self._num_requests = 0

    async def serve_spaced(self, jobs: Sequence[tuple[float, Job]]) -> list[list[float]]:
        """Each when it is due."""
        begun_s = asyncio.get_running_loop().time()
        load, delays_s = [job for _, job in jobs], [delay_s for delay_s, _ in jobs]
        return [[at_s - begun_s for at_s in seen.tokens_s] for seen in await self.serve(load, delays_s)]

    async def serve(self, load: Load, delays_s: Iterable[float] = repeat(0.0)) -> list[TokenTimes]:
        """All at once, or each after a delay; returns when nothing is under way any more."""
        self.steps.clear()
        requests = [self._request(job) for job in load]
        seen = await asyncio.gather(*map(_watch, repeat(self._driver), requests, delays_s))
        # Steps that were planned before the last end was known run on, and must not slow what comes next.
        while self._driver.engine.num_in_flight:
            self._stepped.clear()
            await self._stepped.wait()
        return seen

    def _request(self, job: Job) -> Request:
        self._num_requests += 1
        sampling = SamplingParams(max_tokens=job.output_tokens, ignore_eos=True, temperature=0.0)
        return Request(str(self._num_requests), TokenPrompt(job.prompt), sampling)

    def _note_step(self, record: StepRecord) -> None:
        self.steps.append((record.time_s, record.num_standing + len(record.explicit)))
        self._stepped.set()


async def _start(serving: "Serving") -> _Engine:
    return _Engine(serving)


async def _watch(driver: EngineDriver, request: Request, delay_s: float) -> TokenTimes:
    now = asyncio.get_running_loop().time
    if delay_s:
        await asyncio.sleep(delay_s)
    submitted_s = now()
    tokens_s: list[float] = []
    async for news in stream(driver, request):
        if isinstance(news, RequestEnded):
            _require_whole(request, news, len(tokens_s))
        else:
            tokens_s.extend([now()] * len(news.tokens))
    return TokenTimes(request.prompt.num_tokens, submitted_s, tuple(tokens_s), now())


def _require_whole(request: Request, end: RequestEnded, num_tokens: int) -> None:
    """A run in which anybody got less than was asked for is no measurement."""
    if end.status is not Status.FINISHED:
        raise WeftError(f"the measurement ended: request {end.request_id} {end.status.value}: {end.reason}")
    if num_tokens != request.sampling.max_tokens:
        asked = request.sampling.max_tokens
        raise InvariantViolation("whole_output", f"{num_tokens} tokens came, {asked} were asked for")
