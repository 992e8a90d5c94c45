"""A replica of a world: its engine has the content-checking model, and goes wrong as the world says."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import inf
from random import Random

from weft.cluster.inference_replica import InferenceReplica, Reporter
from weft.cluster.messages import Ended, Frame, Heartbeat, Hello, News, Report, Told
from weft.contracts.errors import InvariantViolation
from weft.contracts.events import Event, RequestEnded, Status
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer
from weft.engine.replica import Output
from weft.engine.reporting_driver import ReportingDriver
from weft.measurement.campaign.faults import Babble, Slow, StaleTelemetry, StepFailures, SwapFailures, Wedge
from weft.measurement.campaign.models import CampaignModel
from weft.measurement.campaign.troubles import Troubles
from weft.measurement.campaign.world import World
from weft.observation.event_log import EventLog
from weft.observation.legality import LegalityChecker
from weft.simulator.fake_executor import PacedExecutor

Complain = Callable[[InvariantViolation], object]
"""Told of what must not be."""

LINK_DOWN = "the world breaks this transfer"


class StepFailed(RuntimeError):
    """A step that the world has fail."""


class WatchedExecutor(PacedExecutor):
    """Complains of what an engine asks for against the contract, which else would pass for a failed step."""

    complain: Complain

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        future = super().submit(work)
        future.add_done_callback(self._look)
        return future

    def _look(self, future: "asyncio.Future[StepResult]") -> None:
        if not future.cancelled() and isinstance(error := future.exception(), InvariantViolation):
            self.complain(error)


class CampaignReplica(InferenceReplica):
    """One incarnation of the replica with a number. `log`: of its engine; `ends`: of the requests there."""

    def __init__(
        self,
        world: World,
        number: int,
        incarnation: int,
        troubles: Troubles,
        model: CampaignModel,
        send: Callable[[object], object],
        complain: Complain,
    ) -> None:
        self._world, self._number, self._troubles = world, number, troubles
        self._model, self._complain = model, complain
        self._stream = Random(f"{world.seed}/replica/{number}/{incarnation}")
        self._send_on = send
        self.has_ended = False
        self.log = EventLog(1 << 16)
        self._legality = LegalityChecker()
        self.ends: list[RequestEnded] = []
        self.log.subscribe(self._check)
        self.log.subscribe(self.ends.append, RequestEnded)
        super().__init__(incarnation, self._make_driver, model.fingerprint, self._say, world.timing)

    def _check(self, event: Event) -> None:
        """Kept from the driver, which would get over it."""
        try:
            self._legality(event)
        except InvariantViolation as violation:
            self._complain(violation)

    def _make_driver(self, reporter: Reporter) -> ReportingDriver:
        report = reporter.report if self._world.tells else partial(_report_ends, reporter)
        how = self._model.config, self._executor(), self.log, report, reporter.stopped
        self._reporting = ReportingDriver(*how)
        return self._reporting

    def _executor(self) -> PacedExecutor:
        executor = WatchedExecutor(
            self._model.device(),
            self._model.fingerprint,
            depth=self._world.engine.depth,
            step_s=self._step_s,
            transfer_s=lambda _: self._world.engine.swap_s * self._stream.choice([0.1, 1.0, 3.0]),
            submit_fails=self._step_fails,
            transfer_fails=self._swap_fails,
        )
        executor.complain = self._complain
        return executor

    def _step_s(self, step: Step) -> float:
        step_s = self._world.engine.step_s * self._stream.choice([0.5, 1.0, 2.0])
        for slow in self._troubles.in_force(Slow, self._number):
            self._troubles.injected["slow step"] += 1
            step_s *= slow.factor
        for wedge in self._troubles.in_force(Wedge, self._number):
            self._troubles.injected["wedge"] += 1
            end_s = self._troubles.end_s(wedge.until_s)
            step_s = inf if end_s == inf else max(step_s, end_s - self._loop.time())
        return step_s

    def _step_fails(self, step: Step) -> Exception | None:
        chances = [each.chance for each in self._troubles.in_force(StepFailures, self._number)]
        return StepFailed("the world has it fail") if self._strikes(chances, "failed step") else None

    def _swap_fails(self, transfer: Transfer) -> str | None:
        chances = [each.chance for each in self._troubles.in_force(SwapFailures, self._number)]
        return LINK_DOWN if self._strikes(chances, "failed swap") else None

    def _strikes(self, chances: Sequence[float], kind: str) -> bool:
        return self._troubles.strikes(chances, self._stream, kind)

    def _say(self, frame: Frame) -> None:
        stale = self._troubles.in_force(StaleTelemetry, self._number)
        if stale and isinstance(frame.message, Heartbeat):
            self._troubles.injected["late heartbeat"] += 1
            self._loop.call_later(sum(each.late_s for each in stale), self._send_on, frame)
        else:
            self._send_on(frame)

    def close(self) -> None:
        """See `InferenceReplica`."""
        self.has_ended = True
        super().close()

    def babble(self, babble: Babble) -> None:
        """Say what cannot be."""
        self._troubles.injected["garbage"] += 1
        if babble == "no message":
            self._send_on("gibberish")
        elif babble == "acknowledges the future":
            self._send_on(Frame(self._link.incarnation, 0, 1 << 40, Heartbeat(self.driver.load())))
        elif babble == "second hello":
            self._link.post(Hello("another model"))
        elif babble == "unknown message":
            self._link.post("gibberish")
        elif babble == "no news":
            self._link.post(Report(("gibberish",)))  # type: ignore[arg-type]
        else:
            self._link.post(Report(tuple(self._lie(babble))))

    def _lie(self, babble: Babble) -> Iterator[News]:
        if babble == "early end" and not self._world.tells:
            return  # which nobody could know
        for request_id, accepted in list(self._accepted.items())[:1]:
            told = accepted.told.get(0, 0)
            if babble == "cancels":
                yield Ended(request_id, accepted.attempt, Status.CANCELLED, "so be it", told)
            elif babble == "early end":
                yield Ended(request_id, accepted.attempt, Status.FINISHED, "stop", told)
            elif babble == "gap":
                yield Told(request_id, accepted.attempt, 0, told + 3, (1,), None, "")
            else:
                yield Told(request_id, accepted.attempt, 99, 0, (1,), None, "")

    def check_idle(self) -> None:
        """Nothing is held, and nothing is left over."""
        engine = self._reporting.engine
        engine.check_integrity()
        left = [*engine.live_requests(), *self._accepted]
        if left or engine.num_in_flight or engine.num_transfers or self._latency.num_in_flight:
            raise InvariantViolation("nothing_leaked", f"replica {self._number} still has {left}")
        self._legality.finish()


def _report_ends(reporter: Reporter, news: Sequence[Output | RequestEnded]) -> None:
    reporter.report([each for each in news if isinstance(each, RequestEnded)])
