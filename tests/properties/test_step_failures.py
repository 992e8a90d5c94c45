"""Clients come and go while steps fail, executors answer late and the engine itself has defects: every request ends
once, and whatever is told as finished is what the request yields alone."""

import asyncio
from random import Random
from typing import Any

import pytest

from tests.properties.test_driven import require_same
from tests.properties.worlds import World
from weft.contracts.errors import RequestRejected
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.steps import Step
from weft.engine.client import generate
from weft.engine.driver import EngineDriver
from weft.engine.engine import Engine
from weft.observation.event_log import EventLog
from weft.observation.legality import LegalityChecker
from weft.simulator.fake_executor import FakeExecutor
from weft.simulator.fake_reference import reference_output
from weft.simulator.virtual_time import run

SEAMS = ("schedule", "update", "take_outputs", "step_failed")


class FailingWorld:
    """A world whose steps fail now and then. `defects`: the engine's own, by which it is stopped in the end or not."""

    def __init__(self, seed: int) -> None:
        self.world, self.random = World(seed), Random(seed)
        self.legality, self.log = LegalityChecker(), EventLog(1 << 20)
        self.log.subscribe(self.legality)
        self.ends: list[Status] = []
        self.defects: list[str] = []

    def _fails(self, step: Step) -> Exception | None:
        return RuntimeError("out of memory") if self.random.random() < 0.05 else None

    async def serve(self, num_clients: int) -> EngineDriver:
        """Let clients come and go; check all when they are gone."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.defects.append(context["message"]))
        config = self.world.config()
        executor = FakeExecutor(
            self.world.spec,
            config.num_blocks,
            config.num_host_blocks,
            depth=self.world.depth,
            step_s=lambda _: self.random.choice([0.001, 0.01]),
            transfer_s=lambda _: self.random.choice([0.0, 0.005, 0.3]),
            max_step_tokens=config.max_step_tokens,
            submit_fails=self._fails,
        )
        driver = EngineDriver(config, executor, self.log)
        async with asyncio.TaskGroup() as clients:
            for number in range(num_clients):
                clients.create_task(self._visit(driver, number))
        await asyncio.sleep(60.0)  # longer than anything under way
        driver.engine.check_integrity()
        self.legality.finish()
        return driver

    async def _visit(self, driver: EngineDriver, number: int) -> None:
        request = Request(f"{number}", self.world.prompt(), self.world.sampling(), tenant="a")
        await asyncio.sleep(self.random.random() * 0.3)
        try:
            async with asyncio.timeout(self.random.choice([0.02, 60.0, 60.0])):
                completion = await generate(driver, request)
        except (RequestRejected, TimeoutError, KeyError):
            return
        self.ends.append(completion.status)
        if completion.status is Status.FINISHED and request.sampling.beam_width <= 1:
            outputs = range(request.sampling.n)
            expected = tuple(reference_output(self.world.spec, request, sample) for sample in outputs)
            require_same(request, completion.outputs, expected)


def test_steps_that_fail_harm_only_those_who_run() -> None:
    ends: list[Status] = []
    for seed in range(900, 920):
        world = FailingWorld(seed)
        run(world.serve(8))
        assert world.defects == []
        ends += world.ends
    assert min(ends.count(Status.FINISHED), ends.count(Status.FAILED)) >= 10


@pytest.mark.parametrize("seam", SEAMS)
def test_defects_among_them_are_got_over(seam: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = getattr(Engine, seam)
    num_defects = num_finished = 0
    for seed in range(950, 958):
        random, world, calls = Random(seed), FailingWorld(seed), [0]
        breaking = random.randrange(1, 12)

        def broken(*arguments: Any, calls: list[int] = calls, at: int = breaking, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == at:
                raise KeyError("a defect")
            return original(*arguments, **named)

        monkeypatch.setattr(Engine, seam, broken)
        driver = run(world.serve(8))
        assert driver.defect is None
        num_defects += len(world.defects)
        num_finished += world.ends.count(Status.FINISHED)
    assert num_defects >= 1
    assert num_finished >= 10
