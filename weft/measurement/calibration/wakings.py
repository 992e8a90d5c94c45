"""What the first step costs after a pause. Caches, threads and the event loop have to come back, and nothing hides what
the engine does for a new request; steps that follow each other show none of it.

Requests are given to an engine one at a time, each after a pause. What their first tokens take more than a step of that
kind among its like is what the pause has cost.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from weft.contracts.events import FirstToken, StepRecord
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.costs.calibrated import EngineWork, Wakings
from weft.measurement.calibration.engine_runs import borrowing_engine, ended
from weft.measurement.calibration.grid import STEPS_OF_A_VISIT, GridPoint, Limits
from weft.measurement.calibration.step_times import StepTimer, expected_s
from weft.observation.event_log import EventLog

if TYPE_CHECKING:
    from weft.executor.loading import Serving

PAUSES_S = (0.001, 0.003, 0.01, 0.02, 0.04, 0.1)
PROMPT_TOKENS = (16, 64, 256)
OUTPUT_TOKENS = 2
"""So that a step follows the first, as it mostly does."""

MOST_ROUNDS = 20


class Answer(NamedTuple):
    """A first token: of a prompt of so many tokens, given to an engine that had been idle, and how long it took."""

    prompt_tokens: int
    idle_s: float
    seconds: float


async def time_wakings(serving: "Serving", limits: Limits, work: EngineWork, budget_s: float) -> Wakings:
    """Over and above what other steps of an engine take; nothing else may be under way in the executor."""
    sizes = [size for size in PROMPT_TOKENS if _is_possible(size, limits)]
    now, begun_s = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
    timer, random = StepTimer(serving), Random(0)
    more = list[tuple[float, float]]()
    for _ in range(MOST_ROUNDS if sizes else 0):
        if now() - begun_s < budget_s or not more:
            usual_s = {size: expected_s(await timer.visit(_point(size), STEPS_OF_A_VISIT)) for size in sizes}
            answers = await _answers_after_pauses(serving, sizes, random)
            more += [
                (each.idle_s, each.seconds - work.prompts * usual_s[each.prompt_tokens]) for each in answers
            ]
    return in_groups(more, work.step_s + work.sequence_s + work.admission_s)


def in_groups(more: Sequence[tuple[float, float]], known_s: float) -> Wakings:
    """As many groups as there are pauses, of about as many (seconds idle, seconds more) each, the shortest pauses
    first; the medians of each, less what is known."""
    ranked, number = sorted(more), len(PAUSES_S)
    bounds = [len(ranked) * group // number for group in range(number + 1)]
    groups = [ranked[begin:end] for begin, end in pairwise(bounds) if end > begin]
    medians = {median(idle_s for idle_s, _ in group): median(s for _, s in group) for group in groups}
    return tuple((idle_s, max(0.0, more_s - known_s)) for idle_s, more_s in medians.items())


def _is_possible(prompt_tokens: int, limits: Limits) -> bool:
    return limits.allow(_point(prompt_tokens)) and prompt_tokens + OUTPUT_TOKENS <= limits.max_model_len


def _point(prompt_tokens: int) -> GridPoint:
    return GridPoint(0, 0, ((prompt_tokens, 0),))


async def _answers_after_pauses(serving: "Serving", sizes: Sequence[int], random: Random) -> list[Answer]:
    """Of each size after each pause, in any order; the first request of an engine does not count."""
    log, found = EventLog(capacity=0), list[Answer]()
    now, vocabulary = asyncio.get_running_loop().time, serving.spec.vocab_size
    steps_s, firsts_s = list[float](), list[float]()
    log.subscribe(lambda step: steps_s.append(step.time_s), StepRecord)
    log.subscribe(lambda first: firsts_s.append(first.time_s), FirstToken)
    kinds = [(size, pause_s) for size in sizes for pause_s in PAUSES_S]
    async with borrowing_engine(serving, log) as driver:
        await ended(driver.submit(_request(sizes[0], 0, random, vocabulary)))
        for number, (size, pause_s) in enumerate(random.sample(kinds, len(kinds)), 1):
            last_s = steps_s[-1]
            await asyncio.sleep(pause_s)
            begun_s = now()
            await ended(driver.submit(_request(size, number, random, vocabulary)))
            found.append(Answer(size, begun_s - last_s, firsts_s[-1] - begun_s))
    return found


def _request(prompt_tokens: int, number: int, random: Random, vocabulary: int) -> Request:
    """That begins as no other one does, or hardly any."""
    tokens = tuple(random.randrange(vocabulary) for _ in range(prompt_tokens))
    sampling = SamplingParams(max_tokens=OUTPUT_TOKENS, temperature=0.0, ignore_eos=True)
    return Request(f"waking-{number}", TokenPrompt(tokens), sampling)
