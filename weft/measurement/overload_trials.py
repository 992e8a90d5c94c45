"""What is asked of a service to find out what overload does to it: each trial takes whatever can be asked, simulated or
live, and says what its clients got."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from random import Random
from statistics import median, quantiles
from typing import NamedTuple

from weft.contracts.errors import WeftError
from weft.contracts.requests import Slo
from weft.measurement.overload import (
    MOST_ATTEMPTS,
    Answered,
    Ask,
    Clients,
    Load,
    Outcome,
    Question,
    goodput_per_s,
    share_kept,
)

NUM_QUIET = 9
QUIET_SHARE = 0.0375
"""Of the capacity that each quiet tenant asks for: nine of them want a third of it together."""
RETRY_S = 0.1
"""Where a refusal does not say when to come back."""
WARM_UP = 0.2
"""The share of a trial that is left out at its beginning."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What requests are like: tokens between two numbers each, and how many of them per second the service can
    answer. `seed`: of arrivals and lengths."""

    prompt_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    capacity_per_s: float = 1.0
    seed: int = 0

    def load(self, factor: float, end_s: float, begin_s: float = 0.0, tenant: str = "default") -> Load:
        """So many times the capacity."""
        rate_per_s = factor * self.capacity_per_s
        return Load(rate_per_s, end_s, begin_s, tenant, self.prompt_tokens, self.output_tokens)


async def twice_unloaded(ask: Ask, asked: Asked, count: int = 1, most_s: float = inf) -> Slo:
    """Twice the median times of requests of mean length that are alone: `count`, or those of `most_s` seconds."""
    prompt_tokens, output_tokens = (sum(each) // 2 for each in (asked.prompt_tokens, asked.output_tokens))
    ttfts_s, tpots_s = list[float](), list[float]()
    now = asyncio.get_running_loop().time
    begun_s = now()
    while not ttfts_s or (len(ttfts_s) < count and now() < begun_s + most_s):
        sent_s = now()
        answer = await ask(Question(sent_s, "default", prompt_tokens, output_tokens))
        if not isinstance(answer, Answered):
            raise WeftError("a request was refused that was alone; see the server's log")
        ttfts_s.append(answer.first_token_s - sent_s)
        tpots_s.append((answer.ended_s - answer.first_token_s) / max(1, output_tokens - 1))
    return Slo(2 * median(ttfts_s), 2 * median(tpots_s))


async def capacity_per_s(ask: Ask, asked: Asked, concurrency: int, duration_s: float) -> float:
    """Answers per second where so many clients ask one question after the other."""
    now, random = asyncio.get_running_loop().time, Random(asked.seed)
    begun_s, num_answers = now(), 0

    async def keep_asking() -> None:
        nonlocal num_answers
        while now() < begun_s + duration_s:
            lengths = random.randint(*asked.prompt_tokens), random.randint(*asked.output_tokens)
            answer = await ask(Question(now(), "default", *lengths))
            if isinstance(answer, Answered):
                num_answers += 1
            else:  # for it may take no time to be refused
                await asyncio.sleep(answer.retry_after_s or RETRY_S)

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(keep_asking())
    return num_answers / (now() - begun_s)


async def goodput(ask: Ask, asked: Asked, slo: Slo, factor: float, duration_s: float) -> float:
    """Answers per second that kept the objective under so many times the capacity, of clients that ask once."""
    begun_s = asyncio.get_running_loop().time()
    outcomes = await Clients(ask, asked.seed).play(asked.load(factor, duration_s))
    return goodput_per_s(outcomes, slo, begun_s + WARM_UP * duration_s, begun_s + duration_s)


class Pulse(NamedTuple):
    """Shares of the requests that kept the objective: before ten times the capacity was asked for, meanwhile, and from
    five seconds after its end on. `most_attempts`: that a client made."""

    before: float
    during: float
    after: float
    most_attempts: int


async def pulse(ask: Ask, asked: Asked, slo: Slo, calm_s: float = 15.0, pulse_s: float = 30.0) -> Pulse:
    """Half the capacity all the time, and for a while ten times it, of clients that come back when they are told to."""
    begun_s = asyncio.get_running_loop().time()
    begin_s, end_s = calm_s, calm_s + pulse_s
    last_s = end_s + 5.0 + calm_s
    loads = asked.load(0.5, last_s), asked.load(10.0, end_s, begin_s)
    outcomes = await Clients(ask, asked.seed, MOST_ATTEMPTS).play(*loads)

    def kept(first_s: float, end_s: float) -> float:
        return share_kept(outcomes, slo, begun_s + first_s, begun_s + end_s)

    attempts = max(each.num_attempts for each in outcomes)
    return Pulse(kept(calm_s / 3, begin_s), kept(begin_s + 5.0, end_s), kept(end_s + 5.0, last_s), attempts)


class Quiet(NamedTuple):
    """What tenants got that ask for little: the 99th percentile of the time to the first token, and which share was
    answered."""

    ttft_p99_s: float
    answered: float


async def quiet(ask: Ask, asked: Asked, noise: float, duration_s: float) -> Quiet:
    """Nine tenants ask for little, and one for `noise` times as much as each."""
    others = [asked.load(QUIET_SHARE, duration_s, tenant=f"quiet{index}") for index in range(NUM_QUIET)]
    noisy = asked.load(noise * QUIET_SHARE, duration_s, tenant="noisy")
    outcomes = await Clients(ask, asked.seed).play(*others, noisy)
    return _quiet([each for each in outcomes if each.question.tenant != "noisy"])


def _quiet(outcomes: Sequence[Outcome]) -> Quiet:
    ttfts_s = [each.ttft_s for each in outcomes if each.answer is not None]
    if len(ttfts_s) < 2:
        raise WeftError(
            "too few of the quiet tenants' requests were answered to tell how fast; measure longer"
        )
    return Quiet(quantiles(ttfts_s, n=100)[-1], len(ttfts_s) / len(outcomes))
