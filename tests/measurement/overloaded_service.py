"""A simulated service of one replica that refuses as a server does, for the bodies of `weft.measurement.overload`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count
from math import ceil
from typing import TypeVar

from tests.simulator.simulated_service import deployment
from weft.contracts.callers import Caller
from weft.contracts.errors import RequestRejected
from weft.contracts.events import Status
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import SamplingParams, Slo
from weft.measurement.overload import Answered, Ask, Question, Refused
from weft.simulator import virtual_time
from weft.simulator.coasting_driver import CoastingDriver
from weft.simulator.real_world import no_real_world
from weft.simulator.simulated_replica import SimulatedReplica

PLANNED = deployment()
"""Llama-3.1-8B on an H100, by the roofline alone."""
Found = TypeVar("Found")


class OverloadedService:
    """On the running virtual-time loop. Retry-After is in whole seconds, as in its header."""

    def __init__(self, objective: Slo | None, order: str, max_queue_delay_s: float | None) -> None:
        config = replace(
            PLANNED.config,
            max_queued_tokens=None,
            objective=objective,
            order=order,
            max_queue_delay_s=max_queue_delay_s,
        )
        self._output_tokens: dict[str, tuple[int, ...]] = {}
        self.replica = SimulatedReplica(replace(PLANNED, config=config), self._output_tokens, seed=0)
        self.replica.start(CoastingDriver)
        self._numbers = count()

    async def ask(self, question: Question) -> Answered | Refused:
        name = str(next(self._numbers))
        self._output_tokens[name] = (question.output_tokens,)
        sampling = SamplingParams(max_tokens=PLANNED.max_model_len - question.prompt_tokens)
        prompt = LengthPrompt(question.prompt_tokens)
        ended = asyncio.get_running_loop().create_future()
        try:
            self.replica.driver.answer(
                Caller(question.tenant).request(name, prompt, sampling), ended.set_result
            )
        except RequestRejected as refusal:
            known = refusal.retry_after_s is not None
            return Refused(float(max(1, ceil(refusal.retry_after_s))) if known else None)  # type: ignore[arg-type]
        end = await ended
        if end.status is not Status.FINISHED:
            raise AssertionError(f"{end}")
        first_token_s = self.replica.figures.first_token_s.pop(name)
        return Answered(first_token_s, end.time_s, end.output_tokens)


def simulated(
    body: Callable[[Ask], Awaitable[Found]],
    objective: Slo | None,
    order: str = "fcfs",
    max_queue_delay_s: float | None = None,
) -> Found:
    """What a body finds in virtual time."""

    async def run() -> Found:
        service = OverloadedService(objective, order, max_queue_delay_s)
        found = await body(service.ask)
        service.replica.driver.engine.check_integrity()
        return found

    loop = virtual_time.VirtualTimeLoop()
    with no_real_world():
        return virtual_time.run(run(), loop=loop)
