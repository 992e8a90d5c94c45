"""Engines for a while on the executor that is being measured."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from weft.contracts.events import RequestEnded
from weft.contracts.steps import Step
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.driver import EngineDriver, News
from weft.measurement.calibration.borrowed_executor import BorrowedExecutor
from weft.observation.event_log import EventLog

if TYPE_CHECKING:
    from weft.executor.loading import Serving


@asynccontextmanager
async def borrowing_engine(
    serving: "Serving", log: EventLog, note: Callable[[Step], object] = lambda step: None
) -> AsyncIterator[EngineDriver]:
    """One that refuses nobody for waiting; all its requests must have ended when it is given up. `note` is given its
    steps as they are submitted."""
    executor = BorrowedExecutor(serving.executor, note)
    yield EngineDriver(replace(serving.config, max_queued_tokens=UNBOUNDED_TOKENS), executor, log)
    await executor.give_back()


async def ended(news: News) -> None:
    """Wait for the end of a request; raises what stopped its engine."""
    while not isinstance(item := await news.get(), RequestEnded):
        if isinstance(item, Exception):
            raise item
