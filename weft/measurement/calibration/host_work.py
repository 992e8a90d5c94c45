"""What the engine's own work adds to a step: the same steps planned by the engine, and by hand."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from weft.contracts.events import RequestEnded, StepRecord
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.driver import EngineDriver
from weft.measurement.calibration.borrowed_executor import BorrowedExecutor
from weft.measurement.calibration.grid import STEPS_OF_A_VISIT, GridPoint, Limits
from weft.measurement.calibration.nonnegative import nonnegative_least_squares
from weft.measurement.calibration.step_times import StepTimer
from weft.observation.event_log import EventLog

if TYPE_CHECKING:
    from weft.executor.loading import Serving

SEQUENCES = (1, 4, 16, 64)
PROMPT_TOKENS = 16
NUM_STEPS = 32
ROUNDS = 3


class HostWork(NamedTuple):
    """Seconds by which a step is longer than the executor alone makes it, and for each sequence in it."""

    step_s: float
    sequence_s: float


async def time_host_work(serving: "Serving", limits: Limits, budget_s: float) -> HostWork:
    """From decodes of a few numbers of sequences; nothing else may be under way in the executor."""
    now, begun_s = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
    sizes = [size for size in SEQUENCES if limits.allow(_point(size, limits))]
    if not sizes:
        return HostWork(0.0, 0.0)
    timer, extra = StepTimer(serving), {size: list[float]() for size in sizes}
    for _ in range(ROUNDS):
        for size in sizes:
            if now() - begun_s < budget_s or not extra[size]:
                driven_s = await _driven_interval_s(serving, size, _num_steps(limits))
                extra[size].append(
                    driven_s - median(await timer.visit(_point(size, limits), STEPS_OF_A_VISIT))
                )
    rows = [(1.0, float(size)) for size in sizes]
    return HostWork(*nonnegative_least_squares(rows, [median(extra[size]) for size in sizes]))


def _point(size: int, limits: Limits) -> GridPoint:
    """Contexts as they are half-way through what the engine is given."""
    return GridPoint(size, PROMPT_TOKENS + _num_steps(limits) // 2)


def _num_steps(limits: Limits) -> int:
    return min(NUM_STEPS, limits.max_model_len - PROMPT_TOKENS - 1)


async def _driven_interval_s(serving: "Serving", size: int, num_steps: int) -> float:
    """The median, of steps of an engine in which so many sequences decode."""
    log, steps = EventLog(), list[StepRecord]()
    log.subscribe(steps.append, StepRecord)
    executor = BorrowedExecutor(serving.executor)
    config = replace(serving.config, max_queued_tokens=UNBOUNDED_TOKENS)
    driver = EngineDriver(config, executor, log)
    vocabulary = serving.spec.vocab_size
    ends = [driver.submit(_request(number, num_steps, vocabulary)) for number in range(size)]
    for news in ends:
        while not isinstance(item := await news.get(), RequestEnded):
            if isinstance(item, Exception):
                raise item
    await executor.give_back()
    pairs = pairwise(steps)
    return median(
        after.time_s - before.time_s
        for before, after in pairs
        if before.num_standing == after.num_standing == size and not after.explicit
    )


def _request(number: int, num_steps: int, vocabulary: int) -> Request:
    tokens = tuple((number + index) % vocabulary for index in range(PROMPT_TOKENS))
    sampling = SamplingParams(max_tokens=num_steps, temperature=0.0, ignore_eos=True)
    return Request(f"calibration-{number}", TokenPrompt(tokens), sampling)
