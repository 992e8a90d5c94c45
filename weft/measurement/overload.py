"""Clients that ask for more than a service can give, on whatever clock the running loop has, and what they get.

The same bodies run against a simulated service and a live one: they know it by one call, `Ask`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import NamedTuple

from weft.contracts.requests import Slo

MOST_ATTEMPTS = 3
"""Of a client, the first included: more make an overload outlive its cause."""
FIRST_BACKOFF_S = 1.0
"""Where a refusal does not say when to come back."""


class Answered(NamedTuple):
    """A whole answer: when its first token and its last came, in the loop's time."""

    first_token_s: float
    ended_s: float
    output_tokens: int


class Refused(NamedTuple):
    """Too much is asked. `retry_after_s`: when to come back, None where that was not said."""

    retry_after_s: float | None


class Question(NamedTuple):
    """What a client sends, and when."""

    sent_s: float
    tenant: str
    prompt_tokens: int
    output_tokens: int


Ask = Callable[[Question], Awaitable[Answered | Refused]]


class Outcome(NamedTuple):
    """How a question fared; `answer` is None where its client gave up. Times count from its first attempt."""

    question: Question
    answer: Answered | None
    num_attempts: int

    @property
    def ttft_s(self) -> float:
        """Attempts in vain included. There must be an answer."""
        assert self.answer is not None
        return self.answer.first_token_s - self.question.sent_s

    def keeps(self, slo: Slo) -> bool:
        """Whether it was answered as fast as was meant."""
        if self.answer is None:
            return False
        tpot_s = (self.answer.ended_s - self.answer.first_token_s) / max(1, self.answer.output_tokens - 1)
        in_time = slo.ttft_s is None or self.ttft_s <= slo.ttft_s
        return in_time and (slo.tpot_s is None or tpot_s <= slo.tpot_s)


@dataclass(frozen=True, slots=True)
class Load:
    """Questions of a tenant by chance: `rate_per_s` of them from `begin_s` to `end_s`, with prompts and outputs of any
    length between the two of `prompt_tokens` and of `output_tokens`."""

    rate_per_s: float
    end_s: float
    begin_s: float = 0.0
    tenant: str = "default"
    prompt_tokens: tuple[int, int] = (512, 512)
    output_tokens: tuple[int, int] = (64, 192)

    def questions(self, random: Random) -> Iterator[Question]:
        """In order of time."""
        gaps = iter(lambda: random.expovariate(self.rate_per_s), None)
        for sent_s in accumulate(gaps, initial=self.begin_s + random.expovariate(self.rate_per_s)):
            if sent_s >= self.end_s:
                return
            lengths = random.randint(*self.prompt_tokens), random.randint(*self.output_tokens)
            yield Question(sent_s, self.tenant, *lengths)


@dataclass
class Clients:
    """Each sends a question, comes back at most `most_attempts` - 1 times when it is told to, and then gives up.

    A client waits as long as it was told and up to half as long again, so that those who were refused together do not
    come back together.
    """

    ask: Ask
    seed: int = 0
    most_attempts: int = 1
    outcomes: list[Outcome] = field(default_factory=list)

    async def play(self, *loads: Load) -> list[Outcome]:
        """Every question of these loads, to its end."""
        now, random = asyncio.get_running_loop().time, Random(self.seed)
        questions = sorted(each for load in loads for each in load.questions(random))
        begun_s = now()
        async with asyncio.TaskGroup() as group:
            for number, question in enumerate(questions):
                await asyncio.sleep(max(0.0, begun_s + question.sent_s - now()))
                # In the loop's time from here on: when it was meant to be sent, not when we got round to it.
                sent = question._replace(sent_s=begun_s + question.sent_s)
                group.create_task(self._persist(sent, Random(f"{self.seed}/{number}")))
        return self.outcomes

    async def _persist(self, question: Question, random: Random) -> None:
        for attempt in range(1, self.most_attempts + 1):
            answer = await self.ask(question)
            if isinstance(answer, Answered):
                self.outcomes.append(Outcome(question, answer, attempt))
                return
            if attempt < self.most_attempts:
                wait_s = FIRST_BACKOFF_S if answer.retry_after_s is None else answer.retry_after_s
                await asyncio.sleep(wait_s * random.uniform(1.0, 1.5))
        self.outcomes.append(Outcome(question, None, self.most_attempts))


def goodput_per_s(outcomes: Sequence[Outcome], slo: Slo, begin_s: float, end_s: float) -> float:
    """Answers per second that were as fast as meant, to questions first sent in this window."""
    kept = sum(each.keeps(slo) for each in outcomes if begin_s <= each.question.sent_s < end_s)
    return kept / (end_s - begin_s)


def share_kept(outcomes: Sequence[Outcome], slo: Slo, begin_s: float, end_s: float) -> float:
    """Of the questions first sent in this window, the share that was answered as fast as meant."""
    sent = [each.keeps(slo) for each in outcomes if begin_s <= each.question.sent_s < end_s]
    return sum(sent) / len(sent) if sent else 1.0
