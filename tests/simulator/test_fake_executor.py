"""The asynchronous shell: order, time, and what failures do."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulator.fake_driver import Driver, make_request
from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.execution import ServingExecutor
from weft.contracts.record import replaced
from weft.contracts.state import Tier
from weft.contracts.steps import Step, StepEntry, StepResult
from weft.contracts.transfers import BlockMove, Transfer, TransferKind
from weft.simulator.fake_executor import FakeExecutor, StepAborted
from weft.simulator.fake_reference import reference_output
from weft.simulator.virtual_time import run

BLOCKS = {"full": 96}


class Shell:
    """A fake executor and the driver that makes steps for it."""

    def __init__(self, **options: Any) -> None:
        self.driver = Driver("paged")
        self.executor = FakeExecutor(self.driver.spec, BLOCKS, BLOCKS, **options)
        self.driver.device = self.executor.device
        self.number = 0

    def prefill(self) -> Step:
        return self.step(StepEntry(0, 0, 10, True, True), added=(self.driver.admission(0, make_request()),))

    def step(self, *entries: StepEntry, num_standing: int = 0, **parts: Any) -> Step:
        step = self.driver.make_step(*entries, number=self.number, advances=num_standing > 0, **parts)
        self.number += 1
        return replaced(step, num_tokens=step.num_tokens + num_standing)


def in_loop(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in virtual time; whatever fails unseen is an error."""
    run(play())


def test_it_is_a_serving_executor() -> None:
    executor: ServingExecutor = Shell(depth=3).executor
    assert executor.depth == 3
    assert executor.numeric_fingerprint == "fake-1"
    with pytest.raises(ConfigurationError, match="depth"):
        Shell(depth=0)


def test_steps_submitted_ahead_say_what_the_reference_says() -> None:
    async def play() -> None:
        shell = Shell(depth=3, step_s=lambda step: 0.002 if step.number % 2 else 0.0)
        futures = [shell.executor.submit(shell.prefill())]
        text: list[int] = []
        while len(text) < 12:
            while len(futures) < 3:
                futures.append(shell.executor.submit(shell.step(num_standing=1)))
            text.append((await futures.pop(0)).tokens[0])
        await asyncio.gather(*futures)
        assert tuple(text) == reference_output(shell.driver.spec, make_request())

    in_loop(play)


def test_a_step_begins_after_the_one_before_and_takes_effect_at_its_end() -> None:
    async def play() -> None:
        shell, loop = Shell(depth=2, step_s=lambda step: 3.0 - step.number), asyncio.get_running_loop()
        ends: list[float] = []
        futures = [shell.executor.submit(shell.prefill()), shell.executor.submit(shell.step(num_standing=1))]
        for future in futures:
            future.add_done_callback(lambda _: ends.append(loop.time()))
        await asyncio.sleep(2.9)
        assert shell.executor.device.num_rows == 0
        await asyncio.gather(*futures)
        assert ends == [3.0, 5.0]
        await asyncio.sleep(1.0)
        await shell.executor.submit(shell.step(num_standing=1))
        assert loop.time() == 7.0

    in_loop(play)


def test_an_aborted_step_that_nobody_asks_for_is_no_failure_in_the_background() -> None:
    async def play() -> None:
        shell = Shell(submit_fails=lambda _: RuntimeError("lost"))
        first = shell.executor.submit(shell.prefill())
        shell.executor.submit(shell.step(num_standing=1))
        with pytest.raises(RuntimeError, match="lost"):
            await first

    in_loop(play)


def test_no_more_steps_than_its_depth_are_in_flight() -> None:
    async def play() -> None:
        shell = Shell(depth=2)
        futures = [shell.executor.submit(shell.prefill()), shell.executor.submit(shell.step(num_standing=1))]
        with pytest.raises(InvariantViolation) as caught:
            shell.executor.submit(shell.step(num_standing=1))
        assert caught.value.name == "depth"
        await futures[0]
        shell.number -= 1
        await shell.executor.submit(shell.step(num_standing=1))
        await futures[1]

    in_loop(play)


def test_new_weights_wait_for_the_steps_before_them() -> None:
    async def play() -> None:
        shell = Shell(depth=2, step_s=0.001)
        first = shell.executor.submit(shell.prefill())
        updated = shell.executor.update_weights(1, "nowhere")
        second = shell.executor.submit(replaced(shell.step(num_standing=1), weights_version=1))
        await updated
        assert first.done()
        assert not second.done()
        await second

    in_loop(play)


async def _outcomes(futures: list[asyncio.Future[StepResult]]) -> list[str]:
    results = await asyncio.gather(*futures, return_exceptions=True)
    return [type(result).__name__ for result in results]


def test_a_failing_step_aborts_those_behind_it_and_no_others() -> None:
    async def play() -> None:
        error = RuntimeError("out of memory")
        shell = Shell(depth=4, submit_fails=lambda step: error if step.number == 1 else None)
        futures = [shell.executor.submit(shell.prefill())]
        futures += [shell.executor.submit(shell.step(num_standing=1)) for _ in range(2)]
        updated = shell.executor.update_weights(0, "nowhere")
        futures.append(shell.executor.submit(shell.step(num_standing=1)))
        outcomes = await _outcomes(futures)
        assert outcomes == ["StepResult", "RuntimeError", "StepAborted", "StepAborted"]
        await updated
        text = reference_output(shell.driver.spec, make_request())
        assert (await shell.executor.submit(shell.step(num_standing=1))).tokens[0] == text[1]

    in_loop(play)


def test_rows_after_a_failure_follow_the_removals() -> None:
    async def play() -> None:
        shell = Shell(submit_fails=lambda step: RuntimeError("lost") if step.number == 1 else None)
        await shell.executor.submit(shell.prefill())
        admission = shell.driver.admission(1, make_request("b"))
        lost = [shell.step(StepEntry(1, 0, 10, True), added=(admission,)), shell.step(removed=(0,))]
        outcomes = await _outcomes([shell.executor.submit(step) for step in lost])
        assert outcomes == ["RuntimeError", "StepAborted"]
        assert shell.executor.device.num_rows == 0
        await shell.executor.submit(shell.step(removed=(1,)))

    in_loop(play)


def test_a_violation_aborts_like_any_failure() -> None:
    async def play() -> None:
        shell = Shell(depth=3)
        futures = [shell.executor.submit(replaced(shell.prefill(), num_tokens=1))]
        futures.append(shell.executor.submit(shell.step(num_standing=1)))
        assert await _outcomes(futures) == ["InvariantViolation", "StepAborted"]
        with pytest.raises(StepAborted, match="step 1 aborted: step 0 failed"):
            await futures[1]

    in_loop(play)


def test_a_step_happens_even_if_nobody_waits_for_it_any_more() -> None:
    async def play() -> None:
        shell = Shell(step_s=0.001)
        shell.executor.submit(shell.prefill()).cancel()
        result = await shell.executor.submit(shell.step(num_standing=1))
        assert result.tokens[0] == reference_output(shell.driver.spec, make_request())[1]
        shell.executor.submit(replaced(shell.step(), weights_version=5)).cancel()
        await asyncio.sleep(0.005)

    in_loop(play)


def _transfer(number: int, moves: tuple[BlockMove, ...], out: bool, expected: int | None = None) -> Transfer:
    kind = TransferKind.SWAP_OUT if out else TransferKind.SWAP_IN
    tiers = (Tier.DEVICE, Tier.HOST) if out else (Tier.HOST, Tier.DEVICE)
    return Transfer(number, kind, 0, *tiers, moves, 10, expected_checksum=expected)


@pytest.mark.parametrize("is_early", [True, False])
def test_a_transfer_reads_its_blocks_when_it_completes(is_early: bool) -> None:
    """A block that is given away before its transfer has returned arrives with another's state."""

    async def play() -> None:
        shell = Shell(transfer_s=lambda transfer: 0.01 if transfer.transfer_id == 1 else 0.0)
        admission = shell.driver.admission(0, make_request())
        entry = StepEntry(0, 0, 10, True, True)
        result = await shell.executor.submit(shell.step(entry, added=(admission,)))
        blocks = admission.tables[0][:3]
        out = shell.executor.transfer(
            _transfer(1, tuple(BlockMove(0, block, block) for block in blocks), True)
        )
        thief = shell.driver.admission(0, make_request("b", prompt=tuple(range(50, 60))), (blocks,))
        steal = shell.step(StepEntry(0, 0, 10, True), removed=(0,), added=(thief,))
        if not is_early:
            await out
        await shell.executor.submit(steal)
        assert out.done() != is_early
        checksum = (await out).checksum
        fresh = shell.driver.take(0, 8)
        moves = tuple(BlockMove(0, block, target) for block, target in zip(blocks, fresh, strict=False))
        back = await shell.executor.transfer(_transfer(2, moves, False, checksum))
        assert (back.error, back.checksum) == (None, checksum)
        again = shell.driver.admission(0, make_request(), (fresh,), (result.tokens[0],), computed=10)
        step = shell.step(StepEntry(0, 10, 1, True), removed=(0,), added=(again,))
        token = (await shell.executor.submit(step)).tokens[0]
        assert (token == reference_output(shell.driver.spec, make_request())[1]) != is_early

    in_loop(play)


def test_a_failing_transfer_is_a_result_with_an_error() -> None:
    async def play() -> None:
        shell = Shell(transfer_fails=lambda transfer: "link down" if transfer.transfer_id == 1 else None)
        moves = (BlockMove(0, 0, 0),)
        failed = await shell.executor.transfer(_transfer(1, moves, True))
        assert (failed.transfer_id, failed.error) == (1, "link down")
        assert (await shell.executor.transfer(_transfer(2, moves, True))).error is None
        with pytest.raises(InvariantViolation):
            await shell.executor.transfer(_transfer(3, (BlockMove(0, 0, 96),), True))

    in_loop(play)
