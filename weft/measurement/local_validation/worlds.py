"""The two worlds in which a load is played: this machine, and what its profile says of it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from selectors import SelectSelector
from typing import TYPE_CHECKING, Any, TypeVar

from weft.contracts.events import StepRecord
from weft.contracts.state import PagedGroup
from weft.costs.local_profile import LocalProfile
from weft.costs.serving_costs import ServingCosts
from weft.engine.config import UNBOUNDED_TOKENS, EngineConfig
from weft.engine.driver import EngineDriver
from weft.hardware.cluster import Link
from weft.measurement.calibration.borrowed_executor import BorrowedExecutor
from weft.measurement.local_validation.orders import Order
from weft.measurement.local_validation.playing import play
from weft.measurement.serving_figures import RequestTimes
from weft.observation.event_log import EventLog
from weft.simulator import virtual_time
from weft.simulator.coasting_driver import CoastingDriver
from weft.simulator.real_world import no_real_world
from weft.simulator.simulated_executor import SimulatedExecutor

if TYPE_CHECKING:
    from weft.executor.loading import Serving

T = TypeVar("T")

Watch = Callable[[EventLog], None]
"""Is given the log of a run before anything happens."""


def unwatched(_log: EventLog) -> None:
    """For whom the times of requests are enough."""


class LiveWorld:
    """A model served on this machine by the engine, on an event loop of its own, which `close` ends; the model is its
    owner's. `config`: of each run's engine, in which nothing is refused for waiting too long. `swaps`: whether blocks
    in host memory are there to be used."""

    def __init__(self, serving: "Serving", *, swaps: bool = True) -> None:
        self._serving, self._runner = serving, asyncio.Runner(loop_factory=_punctual_loop)
        unbounded = replace(serving.config, max_queued_tokens=UNBOUNDED_TOKENS)
        self.config = unbounded if swaps else replace(unbounded, num_host_blocks={}, preempt="latest_first")

    def play(self, orders: Sequence[Order], watch: Watch = unwatched) -> list[RequestTimes]:
        """What each request got."""
        return self._runner.run(self._play(orders, watch))

    async def _play(self, orders: Sequence[Order], watch: Watch) -> list[RequestTimes]:
        log, executor = EventLog(capacity=0), BorrowedExecutor(self._serving.executor)
        watch(log)
        driver = EngineDriver(self.config, executor, log)
        times = await play(driver, log, orders)
        await executor.give_back()
        return times

    def close(self) -> None:
        """End the loop."""
        self._runner.close()


def _punctual_loop() -> asyncio.AbstractEventLoop:
    """Other selectors wait whole milliseconds, so that every request would be sent half a millisecond late: clients'
    do not wait for a timer of ours."""
    return asyncio.SelectorEventLoop(SelectSelector())


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine, as a simulated executor knows it."""

    windows_tokens: tuple[int | None, ...]
    block_bytes: tuple[int, ...]
    host_link: Link
    costs: ServingCosts
    speculation: None = None


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """The same engine in virtual time; `model` says how long its steps take, which is `slowdown` times as long now."""

    config: EngineConfig
    model: LocalModel
    depth: int
    slowdown: float = 1.0

    def play(self, orders: Sequence[Order], watch: Watch = unwatched) -> list[RequestTimes]:
        """What each request got."""
        return in_virtual_time(self._play(orders, watch))

    async def _play(self, orders: Sequence[Order], watch: Watch) -> list[RequestTimes]:
        log = EventLog(capacity=0)
        watch(log)
        executor = SimulatedExecutor(self.model, output_lengths(orders), self.depth)
        executor.slowdown = self.slowdown
        return await play(CoastingDriver(self.config, executor, log), log, orders)


def simulated_world(live: LiveWorld, serving: "Serving", profile: LocalProfile) -> SimulatedWorld:
    """As a profile says that the live one is."""
    layout = serving.config.layout
    block_bytes = tuple(
        group.bytes_per_token * layout.block_tokens
        for group in layout.groups
        if isinstance(group, PagedGroup)
    )
    windows = tuple(group.window_tokens for group in serving.spec.layer_groups)
    model = LocalModel(windows, block_bytes, profile.host_link(sum(block_bytes)), profile.costs())
    return SimulatedWorld(live.config, model, serving.options.depth)


def output_lengths(orders: Sequence[Order]) -> dict[str, tuple[int]]:
    """As a simulated executor is told of them."""
    return {order.request.request_id: (order.output_tokens,) for order in orders}


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that sleeps for nothing and may not look at the real world."""
    with no_real_world():
        return virtual_time.run(work)


def record_steps(steps: list[StepRecord]) -> Watch:
    """A watch that keeps them all."""
    return lambda log: log.subscribe(steps.append, StepRecord)
