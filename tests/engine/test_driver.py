"""The loop between an engine and an executor: it serves on whatever fails, and waits for what takes long."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from tests.engine.driven_engine import LONG_S, DrivenEngine, play
from tests.engine.small_engine import ask
from weft.contracts.errors import InvalidRequest
from weft.contracts.events import Event, RequestEnded, Status, StepRecord, TransferEnded, Transition
from weft.contracts.policies import BudgetPolicy, EngineView, OrderPolicy, Rank, SequenceView, StepBudget
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.observation.event_log import EventLog
from weft.simulator.fake_executor import FakeExecutor
from weft.simulator.null_executor import NULL_TOKEN, NullExecutor
from weft.simulator.virtual_time import SimulationError, run


async def all_of(driven: DrivenEngine, *names: str, output: int = 6) -> list[Completion]:
    return await asyncio.gather(*(generate(driven.driver, ask(name, 5, output)) for name in names))


def statuses(completions: Sequence[Completion]) -> list[Status]:
    return [completion.status for completion in completions]


def test_what_arrives_together_runs_together() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        await all_of(driven, "a", "b", "c")

    driven = play(scenario)
    first = next(event for event in driven.log.events() if isinstance(event, StepRecord))
    assert [units.sequence_number for units in first.explicit] == [0, 1, 2]


@pytest.mark.parametrize(("depth", "joins"), [(1, 1), (2, 2)])
def test_an_arrival_joins_the_first_step_that_is_not_yet_planned(depth: int, joins: int) -> None:
    async def scenario(driven: DrivenEngine) -> None:
        early = asyncio.create_task(generate(driven.driver, ask("early", 5, 9)))
        await asyncio.sleep(0.5)
        await generate(driven.driver, ask("late", 5, 2))
        await early

    driven = play(scenario, depth=depth)
    steps = [event for event in driven.log.events() if isinstance(event, StepRecord)]
    assert [step.number for step in steps for units in step.explicit if units.sequence_number == 1] == [joins]


@pytest.mark.parametrize("failing", range(5))
def test_a_step_that_fails_fails_those_in_it_and_the_engine_serves_on(failing: int) -> None:
    def fails(step: Step) -> Exception | None:
        return RuntimeError("out of memory") if step.number == failing else None

    async def scenario(driven: DrivenEngine) -> None:
        completions = await all_of(driven, "a", "b")
        assert statuses(completions) == [Status.FAILED] * 2
        assert {each.reason for each in completions} == {"the step failed: out of memory"}
        (later,) = await all_of(driven, "later")
        assert later.outputs == (driven.text(ask("later", 5, 6)),)

    play(scenario, executor={"submit_fails": fails})


def test_what_was_said_before_a_failure_is_not_lost() -> None:
    def fails(step: Step) -> Exception | None:
        return RuntimeError("out of memory") if step.number == 3 else None

    async def scenario(driven: DrivenEngine) -> None:
        (completion,) = await all_of(driven, "a")
        assert completion.outputs == (driven.text(ask("a", 5, 6))[:3],)

    play(scenario, executor={"submit_fails": fails})


def test_one_that_waited_survives_a_step_it_was_not_in() -> None:
    def fails(step: Step) -> Exception | None:
        return RuntimeError("out of memory") if step.number == 1 else None

    async def scenario(driven: DrivenEngine) -> None:
        assert statuses(await all_of(driven, "a", "b")) == [Status.FAILED, Status.FINISHED]

    play(scenario, depth=1, max_running=1, executor={"submit_fails": fails})


class RaisingBudget(BudgetPolicy):
    def observe(self, event: Event) -> None:
        """Hears nothing."""

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        raise ValueError("no idea")


def test_a_policy_that_always_raises_fails_requests_by_name_and_nobody_hangs() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        completions = [*await all_of(driven, "a", "b"), *await all_of(driven, "later")]
        assert statuses(completions) == [Status.FAILED] * 3
        assert {each.reason for each in completions} == {"policy 'RaisingBudget': raised ValueError: no idea"}

    play(scenario, budget=RaisingBudget)


class FussyOrder(OrderPolicy):
    """Wants to rank anew before each step, and cannot rank one request once time has passed."""

    rerank = OrderPolicy.rerank._replace(at_s=0.0)

    def observe(self, event: Event) -> None:
        """Hears nothing."""

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        if now_s > 0 and sequence.request.request_id == "odd":
            raise ValueError("no idea")
        return (sequence.arrival_s,)


def test_a_policy_that_raises_for_one_request_fails_that_one() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        completions = await all_of(driven, "a", "odd", "b")
        assert statuses(completions) == [Status.FINISHED, Status.FAILED, Status.FINISHED]
        assert completions[1].reason == "policy 'FussyOrder' (request 'odd'): raised ValueError: no idea"

    play(scenario, order=FussyOrder, max_running=1)


class RaisesWhenTold(OrderPolicy):
    observes: ClassVar[tuple[type, ...]] = (RequestEnded,)

    def observe(self, event: Event) -> None:
        raise ValueError("no idea")

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (sequence.arrival_s,)


def test_a_policy_that_raises_as_it_is_told_of_an_end_leaves_nobody_hanging() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        short, long = await asyncio.gather(
            generate(driven.driver, ask("short", 5, 2)), generate(driven.driver, ask("long", 5, 9))
        )
        assert short.status is Status.FINISHED
        assert (long.status, long.reason) == (
            Status.FAILED,
            "policy 'RaisesWhenTold': observe raised ValueError: no idea",
        )

    play(scenario, order=RaisesWhenTold)


SWAPPING: dict[str, Any] = {"num_blocks": 9, "num_host_blocks": 9, "preempt": "latest_first_swap"}


def swap(driven: DrivenEngine) -> list[TransferEnded]:
    return [event for event in driven.log.events() if isinstance(event, TransferEnded)]


@pytest.mark.parametrize("transfer_s", [0.0, 0.3, 40.0])
def test_transfers_take_as_long_as_they_take(transfer_s: float) -> None:
    async def scenario(driven: DrivenEngine) -> None:
        requests = [ask("first", 10, 16), ask("last", 10, 14)]
        completions = await asyncio.gather(*(generate(driven.driver, request) for request in requests))
        assert [each.outputs for each in completions] == [(driven.text(request),) for request in requests]

    driven = play(scenario, **SWAPPING, executor={"transfer_s": transfer_s})
    assert [event.error for event in swap(driven)] == [None, None]


def test_a_transfer_that_outlives_its_request_ends_in_peace() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        first = asyncio.create_task(generate(driven.driver, ask("first", 10, 16)))
        last = asyncio.create_task(generate(driven.driver, ask("last", 10, 14)))
        await asyncio.sleep(9.5)
        last.cancel()
        await asyncio.sleep(1.0)
        assert (driven.engine.live_requests(), driven.engine.num_transfers) == (["first"], 1)
        driven.engine.check_integrity()
        assert (await first).outputs == (driven.text(ask("first", 10, 16)),)

    driven = play(scenario, **SWAPPING, executor={"transfer_s": 100.0})
    assert [event.error for event in swap(driven)] == [None]


def test_a_transfer_that_fails_is_made_up_for() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        requests = [ask("first", 10, 16), ask("last", 10, 14)]
        completions = await asyncio.gather(*(generate(driven.driver, request) for request in requests))
        assert [each.outputs for each in completions] == [(driven.text(request),) for request in requests]

    driven = play(scenario, **SWAPPING, executor={"transfer_fails": lambda transfer: "link down"})
    assert "link down" in [event.error for event in swap(driven)]


class Careless(FakeExecutor):
    """Raises where its contract wants a result with an error."""

    async def transfer(self, transfer: Transfer) -> TransferResult:  # type: ignore[override]
        self.device.fail_move(transfer, "link down")
        raise OSError("link down")


def test_a_transfer_that_raises_has_failed_like_any_other() -> None:
    async def main() -> list[Event]:
        driven = DrivenEngine(**SWAPPING)
        config, log = driven.config, EventLog()
        executor = Careless(driven.spec, config.num_blocks, config.num_host_blocks, step_s=1.0)
        driver = EngineDriver(config, executor, log)
        requests = [ask("first", 10, 16), ask("last", 10, 14)]
        completions = await asyncio.gather(*(generate(driver, request) for request in requests))
        assert [each.outputs for each in completions] == [(driven.text(request),) for request in requests]
        driver.engine.check_integrity()
        return log.events()

    errors = [event.error for event in run(main()) if isinstance(event, TransferEnded)]
    assert errors == ["OSError('link down')"]


def test_new_weights_take_effect_between_two_steps() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        old = ask("old", 5, 4)
        assert (await generate(driven.driver, old)).outputs == (driven.text(old),)
        running = asyncio.create_task(generate(driven.driver, ask("running", 5, 9)))
        await asyncio.sleep(2.5)
        await driven.driver.update_weights(1, "elsewhere")
        new = ask("new", 5, 4)
        assert (await generate(driven.driver, new)).outputs == (driven.text(new, version=1),)
        assert (await running).status is Status.FINISHED

    driven = play(scenario)
    assert driven.executor.device.weights_version == 1


@pytest.mark.parametrize("version", [0, 1])
def test_weights_that_are_refused_never_reach_the_executor(version: int) -> None:
    async def scenario(driven: DrivenEngine) -> None:
        await driven.driver.update_weights(1, "here")
        with pytest.raises(InvalidRequest, match="versions grow"):
            await driven.driver.update_weights(version, "elsewhere")
        assert driven.executor.device.weights_version == 1
        (completion,) = await all_of(driven, "a")
        assert completion.outputs == (driven.text(ask("a", 5, 6), version=1),)

    play(scenario)


def test_cancelling_somebody_unknown_does_nothing() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        driven.driver.cancel("nobody")
        await asyncio.sleep(1.0)
        assert driven.log.events() == []

    play(scenario)


def test_nothing_more_is_told_of_a_request_that_was_cancelled() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        news = driven.driver.submit(ask("a", 5, 9), stream=True)
        await asyncio.sleep(2.5)
        told = news.qsize()
        driven.driver.cancel("a")
        await asyncio.sleep(LONG_S)
        assert news.qsize() == told > 0

    play(scenario)


def test_an_idle_engine_costs_nothing_and_wakes_for_a_request() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        await all_of(driven, "a")
        recorded = driven.log.num_recorded
        await asyncio.sleep(100.0)
        assert driven.log.num_recorded == recorded
        assert statuses(await all_of(driven, "b")) == [Status.FINISHED]

    play(scenario)


def misfit() -> DrivenEngine:
    """An executor that takes fewer steps at once than it said when the engine was made for it."""
    driven = DrivenEngine(depth=2)
    driven.executor.depth = 1
    return driven


def test_a_defect_reaches_everybody_who_waits_and_is_not_kept_quiet() -> None:
    async def main() -> None:
        driven = misfit()
        requests = [ask("a", 5, 6), ask("b", 5, 6)]
        results = await asyncio.gather(
            *(generate(driven.driver, request) for request in requests), return_exceptions=True
        )
        assert [getattr(result, "status", None) for result in results] == [Status.FAILED] * 2

    with pytest.raises(SimulationError, match=r"failed in the background(?s:.*)\[depth\]"):
        run(main())


class Confused(NullExecutor):
    """Answers with the result of another step."""

    async def submit(self, work: Step) -> StepResult:  # type: ignore[override]
        return StepResult(work.number + 1, [0])


def test_after_a_defect_nobody_is_left_waiting() -> None:
    async def main() -> None:
        driver = EngineDriver(DrivenEngine().config, Confused(depth=1))
        for name in "ab":
            end = await asyncio.wait_for(generate(driver, ask(name, 5, 6)), LONG_S)
            assert end.status is Status.FAILED

    with pytest.raises(SimulationError, match="results_in_order"):
        run(main())


def test_the_driver_serves_any_executor_of_the_contract() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        driver = EngineDriver(driven.config, NullExecutor(depth=2))
        completion = await generate(driver, ask("a", 5, 3, n=2))
        assert completion.outputs == ((NULL_TOKEN,) * 3,) * 2

    play(scenario)


def test_each_request_ends_once_and_every_end_is_told() -> None:
    def fails(step: Step) -> Exception | None:
        return RuntimeError("out of memory") if step.number % 7 == 6 else None

    async def scenario(driven: DrivenEngine) -> None:
        completions = await all_of(driven, *(f"r{i}" for i in range(20)), output=5)
        assert Status.FINISHED in statuses(completions)
        ends = {
            event.request_id: event.status for event in driven.log.events() if isinstance(event, RequestEnded)
        }
        assert {each.request_id: each.status for each in completions} == ends
        assert len(ends) == 20

    play(scenario, max_running=3, max_queued_tokens=10_000, executor={"submit_fails": fails})


def test_time_passes_as_the_executor_says() -> None:
    async def scenario(driven: DrivenEngine) -> None:
        await all_of(driven, "a", output=4)

    driven = play(scenario, executor={"step_s": lambda step: 2.0 if step.entries else 0.25})
    ends = [event.time_s for event in driven.log.events() if isinstance(event, StepRecord)]
    assert ends == [2.0, 2.25, 2.5, 2.75]
    last = [event for event in driven.log.events() if isinstance(event, Transition)][-1]
    assert (last.time_s, last.after) == (2.75, Status.FINISHED)
    assert isinstance(driven.executor, FakeExecutor)
