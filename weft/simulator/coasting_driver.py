"""A driver that lets a simulated engine coast: steps of which nobody could see anything are taken at once.

While a replica only decodes, the next thing to happen to it is an output's end, of which its executor knows, or
something that it is asked. So one timer stands for all steps until then. Whatever is asked before comes first to
`_land`, which takes in the steps that have returned by that time and leaves the rest in flight; how the engine gets on
is told without. Only where steps of two replicas end in the very same nanosecond may their order be another one than
without.
"""

from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from weft.contracts.events import RequestEnded
from weft.contracts.requests import Request
from weft.contracts.routing import LoadReport
from weft.contracts.steps import Step, StepResult
from weft.engine.arrivals import Resumption
from weft.engine.config import EngineConfig
from weft.engine.driver import EngineDriver, News
from weft.observation.event_log import EventLog
from weft.simulator.agenda import Handle
from weft.simulator.simulated_executor import LookAhead, SimulatedExecutor
from weft.simulator.virtual_time import running_agenda

Answered = Callable[[RequestEnded | Exception], object]
"""Told of the end of a request, or what stopped its engine for good."""

FEWEST_STEPS = 4
"""As many as pay for looking ahead."""

MOST_STEPS = 256
"""Looked ahead at in one go."""


class CoastingDriver(EngineDriver):
    """An `EngineDriver` of a simulated executor: the same events, in less time."""

    def __init__(self, config: EngineConfig, executor: SimulatedExecutor, log: EventLog) -> None:
        super().__init__(config, executor, log)
        self._simulated = executor
        self._agenda = running_agenda()
        self._ahead: LookAhead | None = None
        self._landing: Handle | None = None
        self._reach = FEWEST_STEPS
        self._answered: dict[str, Answered] = {}
        log.subscribe(self._on_end, RequestEnded)

    def _now_s(self) -> float:
        return self._agenda.now_s

    def answer(self, request: Request, answered: Answered, emitted: Resumption = None) -> None:
        """As `submit`, where nobody wants the output: `answered` is told, when all that led to it has been done."""
        if self.defect:
            raise self.defect
        self._land()
        self._ask(partial(self.engine.submit, request, self._agenda.now_s, tells=False, emitted=emitted))
        self._answered[request.request_id] = answered
        self._agenda.call_soon(self._pump)

    def _on_end(self, event: RequestEnded) -> None:
        if (answered := self._answered.pop(event.request_id, None)) is not None:
            self._agenda.call_soon(answered, (event,))

    def _stop(self, defect: Exception) -> None:
        super()._stop(defect)
        while self._answered:
            self._agenda.call_soon(self._answered.popitem()[1], (self.defect or defect,))

    def halt(self) -> None:
        """Its devices are lost: nothing that is under way returns."""
        self._land()
        self._simulated.pause()

    def slow_down(self, factor: float) -> None:
        """Steps that begin from now on take so many times as long as the cost model says."""
        self._land()
        self._simulated.slowdown = factor

    def submit(self, request: Request, *, stream: bool = False) -> News:
        self._land()
        return super().submit(request, stream=stream)

    def cancel(self, request_id: str) -> None:
        self._land()
        super().cancel(request_id)

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool:
        self._land()
        return super().stop_output(request_id, sample_index, num_tokens)

    def load(self) -> LoadReport:
        """Asked with every heartbeat: no reason to land."""
        return self.engine.load(0 if self._ahead is None else self._num_returned(self._ahead))

    async def update_weights(self, version: int, source: str) -> None:
        self._land()
        await super().update_weights(version, source)

    def _submit(self, step: Step) -> None:
        self._simulated.begin(step, self._step_returns)

    def _step_returns(self, result: StepResult) -> None:
        self._agenda.call_soon(self._step_returned, (result,))  # after all else that was due by now

    def _step_returned(self, result: StepResult) -> None:
        self._num_steps -= 1
        if self._is_replaced:
            self._clear()
        else:
            self._pump(self.engine.update, result)

    def _all_planned(self) -> None:
        if self._ahead is None and self.engine.may_coast:
            num_steps = self._simulated.num_plain_steps(self._reach)
            if num_steps >= FEWEST_STEPS:
                num_steps = min(num_steps, self.engine.num_coasting_steps)
            if num_steps >= FEWEST_STEPS:
                self._take_off(num_steps)

    def _take_off(self, num_steps: int) -> None:
        """What is looked ahead at and then asked about is lost, so the reach grows only while nobody asks."""
        self._simulated.pause()
        self._ahead = ahead = self._simulated.look_ahead(num_steps)
        self._reach = min(2 * self._reach, MOST_STEPS)
        self._landing = self._agenda.call_at(ahead.ends_s[num_steps - 1], self._land_after, (num_steps,))

    def _land(self) -> None:
        """Take in what has returned before now."""
        if self._ahead is not None:
            num_steps = self._num_returned(self._ahead)
            self._reach = max(FEWEST_STEPS, 2 * num_steps)
            self._land_after(num_steps)

    def _num_returned(self, ahead: LookAhead) -> int:
        """Before now, but for the last ones, which stay in flight."""
        most = len(ahead.ends_s) - self._simulated.depth
        return bisect_left(ahead.ends_s, self._agenda.now_s, hi=most)

    def _land_after(self, num_steps: int) -> None:
        ahead, landing = self._ahead, self._landing
        assert ahead is not None and landing is not None
        self._ahead = self._landing = None
        landing.cancel()
        if num_steps:
            self.engine.coast(ahead.ends_s[:num_steps], ahead.tokens)
        self._simulated.skip(ahead, num_steps, self._step_returns)
