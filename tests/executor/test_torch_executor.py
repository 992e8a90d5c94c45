"""The executor behind its seam: failures, aborts, new weights, damaged transfers, and nothing left behind."""

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.executor.tiny_serving import ask, request, save_tiny, tiny_serving
from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.events import Event, Status, TransferEnded
from weft.contracts.policies import DraftPolicy, SequenceView
from weft.contracts.state import Tier
from weft.contracts.steps import Draft, Step
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving


def empty_step(number: int) -> Step:
    return Step(number, 0, 0, (), (), (), (), (), (), False, ())


def fail_once(serving: Serving, monkeypatch: pytest.MonkeyPatch, at_call: int) -> None:
    """The model's forward pass raises once."""
    model, calls = serving.executor.runner.model, 0
    forward: Callable[..., Tensor] = model.forward

    def failing(*args: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == at_call:
            raise RuntimeError("the device is gone")
        return forward(*args)

    monkeypatch.setattr(model, "forward", failing)


@pytest.mark.parametrize("at_call", [1, 2, 5])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_failed_step_fails_who_ran_and_nobody_after(
    depth: int, at_call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        serving = tiny_serving(depth=depth, max_num_seqs=2)
        driver = EngineDriver(serving.config, serving.executor)
        (expected,) = await ask(driver, request("before"))
        fail_once(serving, monkeypatch, at_call)
        ended = await ask(driver, *(request(str(number)) for number in range(6)))
        failed = [each for each in ended if each.status is Status.FAILED]
        assert 1 <= len(failed) <= 2
        assert all("the device is gone" in each.reason for each in failed)
        assert all(each.outputs == expected.outputs for each in ended if each not in failed)
        driver.engine.check_integrity()
        serving.close()

    asyncio.run(main())


def test_steps_behind_a_failed_one_are_aborted_until_the_failure_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        serving = tiny_serving(depth=3)
        executor = serving.executor
        monkeypatch.setattr(executor.runner.pools, "copy", lambda _: 1 // 0)
        steps = [executor.submit(empty_step(number)) for number in range(3)]
        ended = await asyncio.gather(*steps, return_exceptions=True)
        assert [type(each).__name__ for each in ended] == ["ZeroDivisionError", "StepAborted", "StepAborted"]
        monkeypatch.undo()
        assert (await executor.submit(empty_step(3))).number == 3
        serving.close()

    asyncio.run(main())


def test_more_steps_than_its_depth_are_refused() -> None:
    async def main() -> None:
        serving = tiny_serving(depth=1)
        first = serving.executor.submit(empty_step(0))
        with pytest.raises(InvariantViolation, match="depth"):
            serving.executor.submit(empty_step(1))
        await first
        serving.close()

    asyncio.run(main())


def test_new_weights_give_the_text_of_the_new_model(tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "new", seed=7)

    async def main() -> None:
        serving, other = tiny_serving(seed=0), tiny_serving(seed=7)
        driver = EngineDriver(serving.config, serving.executor)
        (old,) = await ask(driver, request("old"))
        await driver.update_weights(1, source)
        (new,) = await ask(driver, request("new"))
        (expected,) = await ask(EngineDriver(other.config, other.executor), request("expected"))
        assert new.outputs == expected.outputs != old.outputs
        serving.close()
        other.close()

    asyncio.run(main())


def test_weights_of_another_shape_are_refused_and_the_old_ones_stay(tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "wider", seed=7, intermediate_size=32)

    async def main() -> None:
        serving = tiny_serving()
        driver = EngineDriver(serving.config, serving.executor)
        (old,) = await ask(driver, request("old"))
        with pytest.raises(ConfigurationError, match=r"another config\.json"):
            await serving.executor.update_weights(1, source)
        assert (await ask(driver, request("after")))[0].outputs == old.outputs
        serving.close()

    asyncio.run(main())


@pytest.mark.parametrize("damage", ["host memory", "the copy raises"])
def test_damaged_state_costs_a_recomputation_and_no_bit(damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [request(str(number), range(3 + number, 33 + number), max_tokens=60) for number in range(4)]

    async def main() -> None:
        plain = tiny_serving()
        expected = await ask(EngineDriver(plain.config, plain.executor), *requests)
        plain.close()
        token_bytes = 2 * 2 * 2 * 4 * 4
        tight = tiny_serving(kv_cache_memory_bytes=200 * token_bytes, swap_memory_bytes=1 << 16)
        driver = EngineDriver(tight.config, tight.executor)
        errors: list[str] = []
        driver.engine.log.subscribe(lambda event: errors.append(event.error or ""), TransferEnded)
        _damage(tight, damage, monkeypatch)
        assert [each.outputs for each in await ask(driver, *requests)] == [each.outputs for each in expected]
        assert any(errors), "no transfer failed, so nothing was tested"
        driver.engine.check_integrity()
        tight.close()

    asyncio.run(main())


def _damage(serving: Serving, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = serving.executor.runner.pools
    move = pools.move

    def damaged(transfer: Any) -> Any:
        if transfer.target is Tier.HOST:
            result = move(transfer)
            pools.host[0].view(torch.int32).bitwise_xor_(1 << 20)
            return result
        if damage == "the copy raises":
            raise RuntimeError("the link is down")
        return move(transfer)

    monkeypatch.setattr(pools, "move", damaged)


class GuessOne(DraftPolicy):
    observes = ()

    def observe(self, event: Event) -> None:
        pass

    def decide(self, sequence: SequenceView, tokens: Sequence[int], now_s: float) -> Draft | None:
        return Draft((5,), (-1,))


def test_drafts_are_refused_in_so_many_words() -> None:
    async def main() -> None:
        serving = tiny_serving()
        driver = EngineDriver(replace(serving.config, draft=GuessOne), serving.executor)
        (ended,) = await ask(driver, request("drafted", stop_token_ids=()))
        assert ended.status is Status.FAILED
        assert "verifies no drafts yet" in ended.reason
        serving.close()

    asyncio.run(main())


def test_an_adapter_is_refused_in_so_many_words() -> None:
    async def main() -> None:
        serving = tiny_serving()
        driver = EngineDriver(serving.config, serving.executor)
        (ended,) = await ask(driver, replace(request("odd"), adapter="french"))
        assert ended.status is Status.FAILED
        assert "adapter 'french' cannot be loaded" in ended.reason
        serving.close()

    asyncio.run(main())


def test_nothing_is_left_behind() -> None:
    async def main() -> None:
        serving = tiny_serving(depth=2, num_threads=2)
        driver = EngineDriver(serving.config, serving.executor)
        tasks = [asyncio.create_task(ask(driver, request(str(number)))) for number in range(20)]
        await asyncio.sleep(0.02)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        while driver.engine.num_in_flight:  # noqa: ASYNC110  the last step runs on without its clients
            await asyncio.sleep(0.001)
        driver.engine.check_integrity()
        assert not driver.engine.live_requests()
        serving.close()

    asyncio.run(main())
    threads, files = threading.active_count(), _open_files()
    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    assert threading.active_count() == threads
    assert _open_files() <= files  # others in this process may close some


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
