"""What the engine's own work adds to a step: the same steps planned by the engine, and by hand.

Taking in a request delays the steps under way, which need the interpreter too, and its prompt leaves other things in
the caches than the steps behind it want. So its cost is looked for in a few steps around the one that begins with it.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from weft.contracts.events import StepRecord
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.measurement.calibration.engine_runs import borrowing_engine, ended
from weft.measurement.calibration.grid import STEPS_OF_A_VISIT, GridPoint, Limits
from weft.measurement.calibration.nonnegative import nonnegative_least_squares
from weft.measurement.calibration.step_times import StepTimer, expected_s
from weft.observation.event_log import EventLog

if TYPE_CHECKING:
    from weft.executor.loading import Serving

SEQUENCES = (1, 4, 16, 64)
PROMPT_TOKENS = 16
NUM_STEPS = 32
ROUNDS = 6
VISITS = 5

COMPANY = 4
"""Sequences that decode while others come."""

NEW_TOKENS = 128
ADMISSION_STEPS = 128
MOST_ADMISSION_ROUNDS = 12
PAUSE_STEPS = 8
STEPS_BEFORE, STEPS_AFTER = 2, 2
"""Of a step with which a request begins: those that it may delay, and those that find other things in the caches."""


class HostWork(NamedTuple):
    """Seconds by which a step is longer than the executor alone makes it, for each sequence in it, and for each that
    begins with it."""

    step_s: float
    sequence_s: float
    admission_s: float


async def time_host_work(serving: "Serving", limits: Limits, budget_s: float) -> HostWork:
    """From decodes of a few numbers of sequences; nothing else may be under way in the executor."""
    now, begun_s = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
    sizes = [size for size in SEQUENCES if limits.allow(_point(size, limits))]
    if not sizes:
        return HostWork(0.0, 0.0, 0.0)
    timer, extra = StepTimer(serving), {size: list[float]() for size in sizes}
    for _ in range(ROUNDS):
        for size in sizes:
            if now() - begun_s < budget_s or not extra[size]:
                driven_s = await _driven_interval_s(serving, size, _num_steps(limits))
                extra[size].append(driven_s - await _by_hand_s(timer, _point(size, limits)))
    rows = [(1.0, float(size)) for size in sizes]
    step_s, sequence_s = nonnegative_least_squares(rows, [median(extra[size]) for size in sizes])
    known_s = step_s + (COMPANY + 1) * sequence_s
    admission_s = await _admission_s(serving, limits, known_s, begun_s + budget_s)
    return HostWork(step_s, sequence_s, admission_s)


async def _admission_s(serving: "Serving", limits: Limits, known_s: float, until_s: float) -> float:
    """The mean over requests that come while others decode; `known_s`: of the host, in the step that one begins.
    0 where there is no room for them."""
    alone = GridPoint(COMPANY, PROMPT_TOKENS + ADMISSION_STEPS // 2)
    joined = alone._replace(chunks=((NEW_TOKENS, 0),))
    if not limits.allow(joined) or limits.max_model_len <= PROMPT_TOKENS + ADMISSION_STEPS:
        return 0.0
    timer, random, found_s = StepTimer(serving), Random(0), list[float]()
    now = asyncio.get_running_loop().time
    for number in range(MOST_ADMISSION_ROUNDS):
        if now() < until_s or not number:
            alone_s = await _by_hand_s(timer, alone)
            joined_s = await _by_hand_s(timer, joined) + known_s
            steps = await _steps_with_arrivals(serving, PAUSE_STEPS * alone_s, random)
            found_s += delays_s(steps, joined_s)
    return max(0.0, expected_s(found_s)) if found_s else 0.0


async def _by_hand_s(timer: StepTimer, point: GridPoint) -> float:
    visits = [await timer.visit(point, STEPS_OF_A_VISIT) for _ in range(VISITS)]
    return expected_s([seconds for times_s in visits for seconds in times_s])


async def _steps_with_arrivals(serving: "Serving", pause_s: float, random: Random) -> list[StepRecord]:
    """Of an engine in which a company decodes, and others that want one token come one at a time."""
    log, steps, vocabulary = EventLog(capacity=0), list[StepRecord](), serving.spec.vocab_size
    log.subscribe(steps.append, StepRecord)
    async with borrowing_engine(serving, log) as driver:
        company = [driver.submit(_request(number, ADMISSION_STEPS, vocabulary)) for number in range(COMPANY)]
        for number in range(COMPANY, COMPANY + ADMISSION_STEPS // PAUSE_STEPS):
            await asyncio.sleep(pause_s)
            tokens = tuple(random.randrange(vocabulary) for _ in range(NEW_TOKENS))
            await ended(driver.submit(_greedy(number, tokens, max_tokens=1)))
        for news in company:
            await ended(news)
    return steps


def delays_s(steps: Sequence[StepRecord], joined_s: float) -> list[float]:
    """Of each step that a request began with, by how much it and those around it took longer than they would."""
    took_s = [after.time_s - before.time_s for before, after in pairwise(steps)]
    is_plain = [step.num_standing == COMPANY and not step.explicit for step in steps[1:]]
    plain = [seconds for seconds, plain in zip(took_s, is_plain, strict=True) if plain]
    found = []
    for index, step in enumerate(steps[1:]):
        around = range(index - STEPS_BEFORE, index + STEPS_AFTER + 1)
        if step.num_tokens == COMPANY + NEW_TOKENS and around.start >= 0 and around.stop <= len(took_s):
            others = [other for other in around if other != index]
            if all(is_plain[other] for other in others):
                usual_s = joined_s + len(others) * expected_s(plain)
                found.append(sum(took_s[each] for each in around) - usual_s)
    return found


def _point(size: int, limits: Limits) -> GridPoint:
    """Contexts as they are half-way through what the engine is given."""
    return GridPoint(size, PROMPT_TOKENS + _num_steps(limits) // 2)


def _num_steps(limits: Limits) -> int:
    return min(NUM_STEPS, limits.max_model_len - PROMPT_TOKENS - 1)


async def _driven_interval_s(serving: "Serving", size: int, num_steps: int) -> float:
    """What to expect of steps of an engine in which so many sequences decode."""
    log, steps = EventLog(capacity=0), list[StepRecord]()
    log.subscribe(steps.append, StepRecord)
    vocabulary = serving.spec.vocab_size
    async with borrowing_engine(serving, log) as driver:
        ends = [driver.submit(_request(number, num_steps, vocabulary)) for number in range(size)]
        for news in ends:
            await ended(news)
    pairs = pairwise(steps)
    return expected_s(
        [
            after.time_s - before.time_s
            for before, after in pairs
            if before.num_standing == after.num_standing == size and not after.explicit
        ]
    )


def _request(number: int, num_steps: int, vocabulary: int) -> Request:
    tokens = tuple((number + index) % vocabulary for index in range(PROMPT_TOKENS))
    return _greedy(number, tokens, num_steps)


def _greedy(number: int, tokens: tuple[int, ...], max_tokens: int) -> Request:
    sampling = SamplingParams(max_tokens=max_tokens, temperature=0.0, ignore_eos=True)
    return Request(f"calibration-{number}", TokenPrompt(tokens), sampling)
