"""Steps of an engine that serves, and what they take beside those made by hand."""

import asyncio
from random import Random

import pytest

from tests.costs.calibrated_examples import CURVE, profile
from tests.executor.tiny_serving import tiny_serving
from weft.costs.calibrated import CalibratedCosts, EngineWork, Settling
from weft.measurement.calibration.calibrating import limits_of
from weft.measurement.calibration.grid import GridPoint
from weft.measurement.calibration.serving_fit import FEWEST_STEPS, SETTLING_STEPS, fit_serving, slowdown
from weft.measurement.calibration.serving_load import CLIENTS, MOST_TOKENS, ServedStep, time_serving
from weft.measurement.calibration.step_times import StepTimer
from weft.simulator.prompt_aftermath import PromptAftermath
from weft.simulator.step_work import StepWork

WORK = EngineWork(decodes=1.1, prompts=1.3, step_s=1e-5, sequence_s=2e-6, admission_s=3e-4)
SETTLINGS = tuple(
    Settling(1e-4 / step, 2e-6 / step, 1e-8 / step, MOST_TOKENS) for step in range(1, SETTLING_STEPS + 1)
)


def served(num_steps: int) -> list[ServedStep]:
    """As costs with `WORK` and `SETTLINGS` say; one in ten came after nothing."""
    costs, random = CalibratedCosts(CURVE, WORK, (), SETTLINGS), Random(0)
    aftermath, found = PromptAftermath(costs), list[ServedStep]()
    for _ in range(num_steps):
        num_decodes, has_chunk = random.randint(1, 40), random.random() < 0.2
        visible, chunks = (100 * num_decodes,), ((random.randint(2, 2000), 0),) if has_chunk else ()
        sizes = num_decodes + sum(tokens for tokens, _ in chunks), num_decodes + len(chunks), num_decodes
        work = StepWork(*sizes, visible, chunks, 0, ())
        num_admitted = random.randint(0, 2) if has_chunk else 0
        seconds = work.seconds(costs) + num_admitted * costs.admission_s + aftermath.begin(work)
        found.append(ServedStep(work, num_admitted, seconds if random.random() < 0.9 else None))
    return found


def test_what_an_engine_takes_is_found_again() -> None:
    work, settlings = fit_serving(CURVE, [served(1000), served(1000)])
    assert work == pytest.approx(WORK, rel=0.02, abs=1e-6)
    for found, wanted in zip(settlings, SETTLINGS, strict=True):
        for tokens, company in ((10, 1), (500, 20), (5000, 40)):
            assert found.seconds(tokens, company) == pytest.approx(wanted.seconds(tokens, company), rel=0.02)


def test_strays_do_not_count() -> None:
    steps = served(2000)
    for index in range(0, 2000, 200):
        steps[index] = steps[index]._replace(seconds=1.0)
    assert fit_serving(CURVE, [steps]).work == pytest.approx(WORK, rel=0.02, abs=1e-6)


def test_from_too_few_steps_nothing_is_learnt() -> None:
    assert fit_serving(CURVE, [served(FEWEST_STEPS - 1)]) == (EngineWork(), ())
    assert fit_serving(CURVE, []) == (EngineWork(), ())


def test_a_slower_machine_is_told_from_a_profile() -> None:
    fast = profile(engine=WORK, settlings=SETTLINGS)
    steps = served(500)
    assert slowdown(fast, [steps]) == pytest.approx(1.0)
    slower = [step._replace(seconds=step.seconds and 1.07 * step.seconds) for step in steps]
    assert slowdown(fast, [slower, slower]) == pytest.approx(1.07)
    assert slowdown(fast, [slower[: FEWEST_STEPS - 1]]) == 1.0


def test_steps_of_an_engine_are_seen_as_they_were_and_others_can_follow() -> None:
    serving = tiny_serving(backend="auto")
    limits = limits_of(serving)

    async def measure() -> list[list[ServedStep]]:
        found = await time_serving(serving, limits, pads_decodes=False, budget_s=0.2, seed=0)
        await StepTimer(serving).visit(GridPoint(2, 10), 2)
        return found

    runs = asyncio.run(measure())
    serving.close()
    assert len(runs) == sum(number <= limits.max_num_seqs for number in CLIENTS)
    for number, steps in zip(CLIENTS, runs, strict=False):
        assert 0 < max(len(work.chunks) + work.num_decodes for work, _, _ in steps) <= number
        assert min(seconds for _, _, seconds in steps if seconds is not None) > 0.0
    assert sum(num_admitted for steps in runs for _, num_admitted, _ in steps) > 0
