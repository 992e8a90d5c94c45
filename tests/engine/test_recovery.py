"""Defects of the engine itself: whoever was in it is told, and those who come after are served, until there is no end
of it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any

import pytest

from tests.engine.driven_engine import LONG_S, DrivenEngine
from tests.engine.small_engine import ask
from weft.contracts.errors import EngineStopped
from weft.contracts.events import RequestEnded, Status
from weft.contracts.record import replaced
from weft.contracts.steps import Step, StepResult
from weft.engine import driver as driver_module
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.engine.engine import Engine
from weft.observation.metrics import EngineMetrics
from weft.simulator.fake_executor import FakeExecutor
from weft.simulator.null_executor import NullExecutor
from weft.simulator.virtual_time import run

SEAMS = (
    "schedule",
    "update",
    "take_transfers",
    "transfer_ended",
    "take_outputs",
    "step_failed",
    "check_integrity",
)
ASKED = ("submit", "cancel")


class Breaking:
    """Some calls of one method of all engines raise, before or after what they do."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, name: str, calls: range, *, after: bool = False
    ) -> None:
        self.num_calls = self.num_raised = 0
        self._original, self._calls, self._after = getattr(Engine, name), calls, after
        monkeypatch.setattr(Engine, name, lambda *arguments, **named: self._call(*arguments, **named))

    def _call(self, *arguments: Any, **named: Any) -> Any:
        self.num_calls += 1
        breaks = self.num_calls in self._calls
        answer = self._original(*arguments, **named) if self._after or not breaks else None
        if breaks:
            self.num_raised += 1
            raise KeyError("a defect")
        return answer


def play(scenario: Callable[[DrivenEngine, list[str]], Awaitable[None]], **settings: Any) -> DrivenEngine:
    """As `driven_engine.play`, where defects are told to a list."""

    async def main() -> DrivenEngine:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        driven = DrivenEngine(**settings)
        await scenario(driven, told)
        await asyncio.sleep(LONG_S)
        driven.driver.engine.check_integrity()
        assert driven.driver.engine.live_requests() == []
        return driven

    return run(main())


async def try_all(driven: DrivenEngine, *names: str) -> list[Completion | BaseException]:
    return await asyncio.gather(
        *(generate(driven.driver, ask(name, 10, 12)) for name in names), return_exceptions=True
    )


async def require_served(driven: DrivenEngine, name: str) -> None:
    request = ask(name, 10, 12)
    assert (await generate(driven.driver, request)).outputs == (driven.text(request),)


SWAPPING: dict[str, Any] = {"num_blocks": 9, "num_host_blocks": 9, "preempt": "latest_first_swap"}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
@pytest.mark.parametrize("seam", SEAMS)
def test_the_nth_call_of_a_seam_fails_those_in_it_and_no_later_ones(
    seam: str, n: int, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = [9, 14]

    def fails(step: Step) -> Exception | None:
        return RuntimeError("out of memory") if step.number in doomed else None

    async def scenario(driven: DrivenEngine, told: list[str]) -> None:
        breaking = Breaking(monkeypatch, seam, range(n, n + 1), after=after)
        metrics = EngineMetrics(driven.log)
        ends = [await try_all(driven, "a", "b", "c"), await try_all(driven, "d", "e", "f")]
        assert told == ["a defect of the engine: KeyError: 'a defect'"] * breaking.num_raised
        for end in chain(*ends):
            assert isinstance(end, Completion)
            assert end.status in (Status.FINISHED, Status.FAILED)
        doomed.clear()
        await require_served(driven, "later")
        assert driven.driver.defect is None
        await asyncio.sleep(LONG_S)
        assert metrics.num_unfinished == 0
        assert metrics._intervals.num_followed <= 1  # the last to end, until the next step

    play(scenario, **SWAPPING, executor={"transfer_s": 1.5, "submit_fails": fails})


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ASKED)
def test_who_asks_is_told_at_once(name: str, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(driven: DrivenEngine, told: list[str]) -> None:
        Breaking(monkeypatch, name, range(2, 3), after=after)
        tasks = [asyncio.create_task(generate(driven.driver, ask(f"r{i}", 10, 12))) for i in range(3)]
        await asyncio.sleep(2.5)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert KeyError in [type(end) for end in ends]
        assert len(told) == 1
        await require_served(driven, "later")

    play(scenario)


def test_a_defect_that_leaves_the_state_sound_keeps_the_engine_and_its_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(driven: DrivenEngine, _: list[str]) -> None:
        Breaking(monkeypatch, "schedule", range(4, 5))
        engine = driven.driver.engine
        (end,) = await try_all(driven, "a")
        assert isinstance(end, Completion)
        assert (end.status, end.reason) == (Status.FAILED, "a defect of the engine: KeyError: 'a defect'")
        assert driven.driver.engine is engine

    play(scenario)


def test_a_result_that_cannot_be_taken_in_takes_a_fresh_engine_that_waits_for_the_steps_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(driven: DrivenEngine, _: list[str]) -> None:
        engine = driven.driver.engine
        Breaking(monkeypatch, "update", range(3, 4))
        await try_all(driven, "a", "b")
        assert driven.driver.engine is not engine
        begun_s = asyncio.get_running_loop().time()
        await require_served(driven, "later")
        assert asyncio.get_running_loop().time() - begun_s == 13.0  # one of them for the step under way

    driven = play(scenario, executor={"step_s": 1.0})
    failed = [event for event in driven.log.events() if getattr(event, "failed", False)]
    assert len(failed) == 2  # the step whose result was lost, and the one behind it


def test_the_third_defect_within_a_minute_stops_it_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(driven: DrivenEngine, told: list[str]) -> None:
        Breaking(monkeypatch, "schedule", range(1, 1000))
        ends = await try_all(driven, "a", "b")
        assert {getattr(end, "status", None) for end in ends} == {Status.FAILED}
        with pytest.raises(EngineStopped, match=r"has stopped; restart it\..*KeyError"):
            await generate(driven.driver, ask("later", 5, 6))
        assert isinstance(driven.driver.defect, EngineStopped)
        assert len(told) == 3

    play(scenario)


def test_rare_defects_never_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(driven: DrivenEngine, told: list[str]) -> None:
        breaking = Breaking(monkeypatch, "schedule", range(0))
        for number in range(6):
            breaking._calls = range(breaking.num_calls + 2, breaking.num_calls + 3)
            await try_all(driven, f"r{number}")
            await asyncio.sleep(40.0)
        assert len(told) == 6
        await require_served(driven, "later")

    play(scenario)


class Dead(NullExecutor):
    """Takes nothing any more, like an executor whose threads have ended."""

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        raise RuntimeError("cannot schedule new futures after shutdown")

    async def forget_rows(self) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")


def test_an_executor_that_is_dead_stops_it_at_once() -> None:
    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        driver = EngineDriver(DrivenEngine().config, Dead(depth=2))
        assert (await generate(driver, ask("a", 5, 6))).status is Status.FAILED
        await asyncio.sleep(1.0)
        with pytest.raises(EngineStopped):
            await generate(driver, ask("b", 5, 6))
        assert len(told) == 1

    run(main())


class Confused(FakeExecutor):
    """Answers one step with the result of another."""

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        async def answer(result: "asyncio.Future[StepResult]") -> StepResult:
            told = await result
            return replaced(told, number=told.number + 1) if told.number == 2 else told

        return asyncio.ensure_future(answer(super().submit(work)))


def test_a_result_of_another_step_is_a_defect_like_any_other() -> None:
    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
        driven = DrivenEngine()
        executor = Confused(driven.spec, driven.config.num_blocks, step_s=1.0)
        driver = EngineDriver(driven.config, executor)
        assert (await generate(driver, ask("a", 5, 6))).status is Status.FAILED
        later = ask("later", 5, 6)
        assert (await generate(driver, later)).outputs == (driven.text(later),)
        assert told == ["a defect of the engine: [results_in_order] step 2 is due, got 3"]

    run(main())


def test_weights_and_numbers_go_on_in_a_fresh_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(driven: DrivenEngine, _: list[str]) -> None:
        await driven.driver.update_weights(3, "elsewhere")
        Breaking(monkeypatch, "update", range(2, 3))
        await try_all(driven, "a")
        later = ask("later", 10, 12)
        assert (await generate(driven.driver, later)).outputs == (driven.text(later, version=3),)

    play(scenario)  # its checker of legality holds numbers of steps and sequences against each other


def test_handlers_of_the_former_engine_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(driven: DrivenEngine, _: list[str]) -> None:
        before = len(driven.log.handlers())
        Breaking(monkeypatch, "update", range(2, 3))
        await try_all(driven, "a")
        assert len(driven.log.handlers()) == before

    play(scenario)


def test_a_client_that_reads_nothing_is_given_up_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "MOST_UNREAD", 8)

    async def scenario(driven: DrivenEngine, _: list[str]) -> None:
        unread = driven.driver.submit(ask("unread", 5, 50), stream=True)
        await require_served(driven, "other")
        while unread.qsize():
            last = unread.get_nowait()
        assert isinstance(last, RequestEnded)
        assert (last.status, last.reason) == (Status.FAILED, "its client leaves too much unread")
        assert 8 <= last.output_tokens <= 10

    play(scenario)
