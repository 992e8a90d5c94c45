"""How long steps of a grid take, in the executor that serves."""

import asyncio
import gc
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import fmean, median
from typing import TYPE_CHECKING

from weft.contracts.steps import Step, StepResult
from weft.measurement.calibration.grid import STEPS_OF_A_VISIT, GridPoint
from weft.measurement.calibration.hand_made_steps import StepMaker

if TYPE_CHECKING:
    from weft.executor.loading import Serving

FIRST_PASS_SHARE = 0.7
"""Of the time for steps: what is not measured by then is too large for this machine."""

LONG_S = 0.05
"""Steps that take longer come one to a visit: what disturbs them is small beside them."""

FEWEST = 16
"""Kinds of steps that are measured whatever time they take: without them there is nothing to fit or to compare."""

ENOUGH = 12
"""Visits of a point, after which more would tell little."""


STRAY_SHARE = 0.05
"""Of times, the longest, that say nothing of a step: somebody else had the processor."""


def expected_s(times_s: Sequence[float]) -> float:
    """The mean of at least one time, without strays: latencies are sums of steps, and a median would leave out how they
    vary."""
    return fmean(sorted(times_s)[: len(times_s) - int(STRAY_SHARE * len(times_s))])


class StepTimer:
    """Submits hand-made steps as an engine would, as many in flight as the executor takes."""

    def __init__(self, serving: "Serving") -> None:
        self._executor, self._maker = serving.executor, StepMaker(serving)

    async def visit(self, point: GridPoint, num_timed: int) -> list[float]:
        """Seconds of each of so many steps of one kind, from the end of the one before it to its own."""
        ends_s = await self._ends_s(self._maker.visit(point, num_timed))
        times_s = [end_s - begin_s for begin_s, end_s in pairwise(ends_s[:-1])][point.settling_steps :]
        untimed = len(point.before_each)
        return times_s[untimed :: untimed + 1]

    async def _ends_s(self, steps: Sequence[Step]) -> list[float]:
        now, ends_s = asyncio.get_running_loop().time, list[float]()
        in_flight: deque[asyncio.Future[StepResult]] = deque()
        for step in steps:
            if len(in_flight) == self._executor.depth:
                await in_flight.popleft()
                await asyncio.sleep(0)  # in which the executor learns of it too
            in_flight.append(self._executor.submit(step))
            in_flight[-1].add_done_callback(lambda _: ends_s.append(now()))
        await asyncio.gather(*in_flight)
        await asyncio.sleep(0)
        return ends_s


async def time_steps(
    timer: StepTimer, points: Sequence[GridPoint], budget_s: float
) -> dict[GridPoint, float]:
    """The `expected_s` of each kind of step, in the order of `points`, which is from small to large.

    All are visited once and then again in changing order while there is time, so that a machine that slows down
    slows all of them. Beyond the first few, a kind of step that would take too long is left out.
    """
    gc.collect()
    now, begun_s = asyncio.get_running_loop().time, asyncio.get_running_loop().time()
    seen = await _first_pass(timer, points, begun_s + FIRST_PASS_SHARE * budget_s)
    random = Random(0)
    for _ in range(ENOUGH - 1):
        for point in random.sample(list(seen), len(seen)):
            step_s = median(seen[point])
            if now() + _visit_s(point, step_s) <= begun_s + budget_s:
                seen[point].extend(await timer.visit(point, _num_steps(step_s)))
    return {point: expected_s(times_s) for point, times_s in seen.items()}


async def _first_pass(
    timer: StepTimer, points: Sequence[GridPoint], until_s: float
) -> dict[GridPoint, list[float]]:
    now, seen = asyncio.get_running_loop().time, dict[GridPoint, list[float]]()
    token_s: dict[bool, float] = {}  # the last seen, of steps in which sequences decode and of others
    for point in points:
        decodes = point.num_decodes > 0
        expected_s = token_s.get(decodes, 0.0) * point.num_tokens
        if len(seen) < FEWEST or now() + _visit_s(point, expected_s) <= until_s:
            seen[point] = await timer.visit(point, _num_steps(expected_s))
            token_s[decodes] = median(seen[point]) / point.num_tokens
    return seen


def _num_steps(step_s: float) -> int:
    return STEPS_OF_A_VISIT if step_s < LONG_S else 1


def _visit_s(point: GridPoint, step_s: float) -> float:
    """With the first step, which lets sequences begin, and without what comes before those with chunks."""
    return (1 + point.settling_steps + _num_steps(step_s)) * step_s
