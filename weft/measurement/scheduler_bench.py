"""What the engine itself costs per step: everything but the model.

The executor does nothing, so the time between two steps is the scheduler, the driver and the event loop.
One step is in flight at a time, so that each interval belongs to one step.
"""

import asyncio
import gc
from collections.abc import Callable
from random import Random
from statistics import median, quantiles
from time import perf_counter
from typing import NamedTuple

from weft.contracts.events import RequestEnded, StepRecord
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import PagedGroup, StateLayout
from weft.engine.config import EngineConfig
from weft.engine.driver import EngineDriver
from weft.observation.event_log import EventLog
from weft.observation.metrics import EngineMetrics
from weft.simulator.null_executor import NullExecutor

PROMPT_TOKENS = 128
OUTPUT_TOKENS = 250


class StepTimes(NamedTuple):
    """Microseconds per step: median, 99th percentile, and over how many steps."""

    median_us: float
    p99_us: float
    num_steps: int


class SchedulerBench(NamedTuple):
    """Figures for one number of running sequences; `requests_per_s` in the mixed phase, all costs included."""

    num_running: int
    plain: StepTimes
    mixed: StepTimes
    requests_per_s: float


class _Interval(NamedTuple):
    seconds: float
    is_plain: bool


def bench_scheduler(num_running: int, num_steps: int) -> SchedulerBench:
    """Measure plain steps (nothing but one more token each) and mixed ones (block crossings, arrivals,
    finishes) with so many sequences running."""
    aligned = asyncio.run(_measure(num_running, num_steps, mixed=False))
    mixed = asyncio.run(_measure(num_running, num_steps, mixed=True))
    plain_times = [interval.seconds for interval in aligned.intervals if interval.is_plain]
    mixed_times = [interval.seconds for interval in mixed.intervals if not interval.is_plain]
    requests_per_s = mixed.num_finished / sum(interval.seconds for interval in mixed.intervals)
    return SchedulerBench(num_running, _times(plain_times), _times(mixed_times), requests_per_s)


def _times(seconds: list[float]) -> StepTimes:
    return StepTimes(median(seconds) * 1e6, quantiles(seconds, n=100)[98] * 1e6, len(seconds))


class _Load:
    """Keeps `num_running` requests running: each one that ends is replaced at once."""

    def __init__(self, num_running: int, longest_tokens: int, *, mixed: bool) -> None:
        self.log = EventLog()
        self.metrics = EngineMetrics(self.log)
        config = _config(num_running, longest_tokens, mixed=mixed)
        self.driver = EngineDriver(config, NullExecutor(depth=1), self.log)
        self.intervals: list[_Interval] = []
        self.num_finished = 0
        self.on_step: Callable[[], None] = lambda: None
        self._mixed = mixed
        self._num_submitted = 0
        self._last_s = 0.0
        self._last_blocks = 0
        self.log.subscribe(self._note_step, StepRecord)
        self.log.subscribe(self._note_end, RequestEnded)

    def submit(self, prompt_tokens: int, output_tokens: int) -> None:
        """One more request, its prompt unlike any other from the first token on."""
        number = self._num_submitted
        self._num_submitted += 1
        prompt = TokenPrompt(tuple(range(number, number + prompt_tokens)))
        request_id = f"request-{number}"
        self.driver.submit(Request(request_id, prompt, SamplingParams(max_tokens=output_tokens)))

    def _note_step(self, record: StepRecord) -> None:
        now_s = perf_counter()
        is_plain = not record.explicit and not record.left and record.used_blocks == self._last_blocks
        self.intervals.append(_Interval(now_s - self._last_s, is_plain))
        self._last_blocks = record.used_blocks
        self.on_step()
        self._last_s = perf_counter()

    def _note_end(self, event: RequestEnded) -> None:
        self.num_finished += 1
        if self._mixed:
            asyncio.get_running_loop().call_soon(self.submit, PROMPT_TOKENS, OUTPUT_TOKENS)


def _config(num_running: int, longest_tokens: int, *, mixed: bool) -> EngineConfig:
    # Prompts computed in one step let all sequences reach their blocks' ends at once, and leave plain steps
    # between; in the mixed phase their ends are spread by the lengths of the first prompts.
    prefill_tokens = 2048 + num_running if mixed else num_running * PROMPT_TOKENS
    layout = StateLayout((PagedGroup("kv", bytes_per_token=1),))
    per_sequence = longest_tokens // layout.block_tokens + 2
    return EngineConfig(
        layout,
        num_blocks={"kv": num_running * per_sequence + 1024},
        max_running=num_running,
        max_step_tokens=prefill_tokens + num_running,
        max_queued_tokens=2**40,
    )


async def _measure(num_running: int, num_steps: int, *, mixed: bool) -> _Load:
    warm_up = 64 + 2 * OUTPUT_TOKENS * mixed + num_running * (PROMPT_TOKENS + OUTPUT_TOKENS) // 2048
    output_tokens = OUTPUT_TOKENS if mixed else warm_up + num_steps + 64
    load = _Load(num_running, PROMPT_TOKENS + output_tokens, mixed=mixed)
    draw = Random(0).randrange
    for _ in range(num_running):
        done = draw(OUTPUT_TOKENS) if mixed else 0
        load.submit(PROMPT_TOKENS + done, output_tokens - done)
    await _run_steps(load, warm_up)
    load.intervals.clear()
    load.num_finished = 0
    gc.collect()
    await _run_steps(load, num_steps)
    return load


async def _run_steps(load: _Load, num_steps: int) -> None:
    """Let the driver run on until so many steps have returned."""
    done = asyncio.get_running_loop().create_future()
    left = num_steps

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(None)

    load.on_step = count
    await done
