"""Steps of an engine that serves: requests come while others decode, prompts take the caches from what follows them,
and the host plans, hands out tokens and lets sequences begin and end. Steps made by hand show none of it.

Clients ask one request after the other, of random lengths, with short pauses between: few clients first, then more.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from weft.contracts.events import StepRecord
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import Step
from weft.engine.driver import EngineDriver
from weft.measurement.calibration.engine_runs import borrowing_engine, ended
from weft.measurement.calibration.grid import Limits
from weft.observation.event_log import EventLog
from weft.simulator.simulated_rows import SimulatedRows
from weft.simulator.step_work import StepWork

if TYPE_CHECKING:
    from weft.executor.loading import Serving

CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
FEWEST_TOKENS, MOST_TOKENS = 16, 512
"""Of a prompt; as many of twice the length as of a length."""

MOST_OUTPUT_TOKENS = 48
PAUSE_S = 0.003
"""The mean."""


class ServedStep(NamedTuple):
    """What was in a step, and how many sequences began with it. `seconds`: from the end of the one before; None where
    the executor had nothing to do in between."""

    work: StepWork
    num_admitted: int
    seconds: float | None


async def time_serving(
    serving: "Serving", limits: Limits, pads_decodes: bool, budget_s: float, seed: int
) -> list[list[ServedStep]]:
    """Of each number of clients, all steps in their order; nothing else may be under way in the executor."""
    numbers = [number for number in CLIENTS if number <= limits.max_num_seqs]
    windows = [group.window_tokens for group in serving.spec.layer_groups]
    found = list[list[ServedStep]]()
    for number in numbers:
        clients = _Clients(serving, limits, Random(f"{seed} {number}"), budget_s / len(numbers))
        records, steps = await clients.run(number)
        rows = SimulatedRows(clients.output_tokens, windows, pads_decodes=pads_decodes)
        found.append(served_steps(records, steps, rows))
    return found


def served_steps(
    records: Sequence[StepRecord], steps: Sequence[Step], rows: SimulatedRows
) -> list[ServedStep]:
    """Of all steps after the first, put together from what was planned and what is known of when it ended; `rows` are
    those of an engine that has done nothing yet."""
    found, works = list[ServedStep](), {step.number: (rows.apply(step), len(step.added)) for step in steps}
    for before, record in pairwise(records):
        seconds = record.time_s - before.time_s if record.planned_s <= before.time_s else None
        found.append(ServedStep(*works[record.number], seconds))
    return found


NUM_TEXT_TOKENS = 1 << 15


class _Clients:
    """Of one engine. `output_tokens`: by request."""

    def __init__(self, serving: "Serving", limits: Limits, random: Random, budget_s: float) -> None:
        self._serving, self._random, self._budget_s = serving, random, budget_s
        self._most_tokens = max(1, min(MOST_TOKENS, limits.max_model_len // 2))
        self._most_output = max(1, min(MOST_OUTPUT_TOKENS, limits.max_model_len // 2 - 1))
        # Prompts are cut from it: who draws each token meanwhile keeps the interpreter from those who serve.
        vocabulary = serving.spec.vocab_size
        self._text = tuple(random.randrange(vocabulary) for _ in range(NUM_TEXT_TOKENS + self._most_tokens))
        self.output_tokens = dict[str, tuple[int]]()

    async def run(self, number: int) -> tuple[list[StepRecord], list[Step]]:
        """So many of them, until the time is over."""
        log, records, steps = EventLog(capacity=0), list[StepRecord](), list[Step]()
        log.subscribe(records.append, StepRecord)
        until_s = asyncio.get_running_loop().time() + self._budget_s
        async with borrowing_engine(self._serving, log, steps.append) as driver, asyncio.TaskGroup() as group:
            for _ in range(number):
                group.create_task(self._ask(driver, until_s))
        return records, steps

    async def _ask(self, driver: EngineDriver, until_s: float) -> None:
        """At least once."""
        now = asyncio.get_running_loop().time
        await ended(driver.submit(self._request()))
        while now() < until_s:
            await asyncio.sleep(self._random.expovariate(1.0 / PAUSE_S))
            await ended(driver.submit(self._request()))

    def _request(self) -> Request:
        """That begins as no other one does, or hardly any."""
        random, begin = self._random, self._random.randrange(NUM_TEXT_TOKENS)
        fewest = min(FEWEST_TOKENS, self._most_tokens)
        num_tokens = round(fewest * (self._most_tokens / fewest) ** random.random())
        tokens = self._text[begin : begin + num_tokens]
        sampling = SamplingParams(
            max_tokens=random.randint(1, self._most_output), temperature=0.0, ignore_eos=True
        )
        request = Request(f"served-{len(self.output_tokens)}", TokenPrompt(tokens), sampling)
        self.output_tokens[request.request_id] = (sampling.max_tokens,)
        return request
