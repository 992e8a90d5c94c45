"""An engine, a fake executor and the driver between them, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.simulator.fake_driver import LAYOUTS
from weft.contracts.requests import Request
from weft.engine.config import EngineConfig
from weft.engine.driver import EngineDriver
from weft.observation.event_log import EventLog
from weft.observation.legality import LegalityChecker
from weft.simulator.fake_executor import FakeExecutor
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output
from weft.simulator.virtual_time import run

LONG_S = 1000.0
"""More virtual seconds than anything here takes."""


class DrivenEngine:
    """Two steps of a second each in flight, unless told otherwise. To be made inside a running loop."""

    def __init__(
        self,
        *,
        num_blocks: int = 64,
        num_host_blocks: int = 0,
        depth: int = 2,
        executor: dict[str, Any] | None = None,
        **config: Any,
    ) -> None:
        self.spec = FakeModelSpec(LAYOUTS["paged"])
        sizes, host = {"full": num_blocks}, {"full": num_host_blocks} if num_host_blocks else {}
        settings = {"max_step_tokens": 64, "max_running": 8, **config}
        self.config = EngineConfig(self.spec.layout, sizes, host, **settings)
        self.log = EventLog()
        self.log.subscribe(LegalityChecker())
        options = {"depth": depth, "step_s": 1.0, **(executor or {})}
        most = self.config.max_step_tokens
        self.executor = FakeExecutor(self.spec, sizes, host, max_step_tokens=most, **options)
        self.driver = EngineDriver(self.config, self.executor, self.log)
        self.engine = self.driver.engine

    def text(self, request: Request, sample: int = 0, version: int = 0) -> tuple[int, ...]:
        """What the model says to a request alone."""
        return reference_output(self.spec, request, sample, version)


def play(scenario: Callable[[DrivenEngine], Awaitable[None]], **settings: Any) -> DrivenEngine:
    """Let a scenario happen; nothing may be left over after it, neither in the engine nor in the loop."""

    async def main() -> DrivenEngine:
        driven = DrivenEngine(**settings)
        await scenario(driven)
        await asyncio.sleep(LONG_S)
        assert driven.engine.live_requests() == []
        driven.engine.check_integrity()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return driven

    return run(main())
