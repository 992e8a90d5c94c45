"""The actor that serves: one engine, asked by one router.

It does what it is told by messages and tells what is new once for each step. With each heartbeat it says how its engine
gets on, so that a loop that runs beside an engine that does not is no sign of life.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from weft.cluster.latency_estimate import LatencyEstimate
from weft.cluster.link import Link
from weft.cluster.messages import (
    Alive,
    Cancel,
    Ended,
    Frame,
    Heartbeat,
    Hello,
    News,
    Probe,
    ProbeAnswer,
    Refused,
    Report,
    StopOutput,
    Stopped,
    Submit,
    Told,
)
from weft.cluster.timing import Timing
from weft.contracts.errors import InvalidRequest, InvariantViolation, RequestRejected, WeftError
from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request
from weft.contracts.routing import LoadReport
from weft.engine.arrivals import Resumption
from weft.engine.replica import Output
from weft.observation.conditions import sometimes

LEASE_ENDED = sometimes("replica: it heard nothing of its router, and gave up its requests")


class Driver(Protocol):
    """What a replica needs of the driver of its engine, which tells a `ReplicaReporter` what is new."""

    def begin(self, request: Request, emitted: Resumption) -> None: ...
    def cancel(self, request_id: str) -> None: ...
    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool: ...
    def load(self) -> LoadReport: ...


class Reporter(Protocol):
    """Whom a driver tells; see `ReportingDriver`."""

    def report(self, news: Sequence[Output | RequestEnded]) -> None: ...
    def stopped(self, defect: Exception) -> None: ...


Hold = Callable[[Request], AbstractAsyncContextManager[object]]
"""Keeps ready what a request needs beside the engine, as the grammar of its constraint."""


def is_constrained(request: Request) -> bool:
    """Whether its outputs are held to something."""
    return request.sampling.constraint is not None


class _Accepted:
    """A request that is here. `has_begun`: its engine has it; `stops`: outputs that it is to end as soon as that is so.
    `told`: tokens of each output that the router has been told of, here or before."""

    __slots__ = ("attempt", "has_begun", "is_over", "stops", "task", "told")

    def __init__(self, submit: Submit) -> None:
        self.attempt = submit.attempt
        self.told = {index: len(each.tokens) for index, each in enumerate(submit.emitted or ())}
        self.has_begun = False
        self.stops: list[tuple[int, int]] = []
        self.is_over: asyncio.Event | None = None
        self.task: asyncio.Task[None] | None = None


class InferenceReplica:
    """One incarnation. `make_driver` makes the driver of its engine, which reports to this; `fingerprint`: what names
    the bits of its state; `send` puts frames on the fabric; `hold`: of requests that
    `is_held` says."""

    def __init__(
        self,
        incarnation: int,
        make_driver: Callable[[Reporter], Driver],
        fingerprint: str,
        send: Callable[[Frame], object],
        timing: Timing,
        hold: Hold = nullcontext,
        is_held: Callable[[Request], bool] = is_constrained,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._timing, self._hold, self._is_held = timing, hold, is_held
        self._accepted: dict[str, _Accepted] = {}
        self._latency = LatencyEstimate()
        self._link = Link(incarnation, send, self._obey)
        self._heard_s = self._loop.time()
        self.driver = make_driver(self)
        self._link.post(Hello(fingerprint))
        self._timer = self._loop.call_later(timing.heartbeat_s, self._beat)

    def receive(self, frame: Frame) -> None:
        """Take in what came over the fabric."""
        if frame.incarnation == self._link.incarnation and not self._link.is_closed:
            self._heard_s = self._loop.time()
            self._link.receive(frame)

    def close(self) -> None:
        """End it; its requests are dropped where they are."""
        self._timer.cancel()
        self._link.close()
        self._give_up()

    def _give_up(self) -> None:
        for request_id in list(self._accepted):
            self._drop(request_id)

    def _beat(self) -> None:
        self._timer = self._loop.call_later(self._timing.heartbeat_s, self._beat)
        if self._accepted and self._loop.time() - self._heard_s > self._timing.lease_s:
            LEASE_ENDED.hit()
            self._give_up()
            self._link.post(Stopped("it heard nothing of its router, and gave up its requests"))
        self._link.resend(2.0 * self._timing.heartbeat_s)
        self._link.mention(Heartbeat(self.driver.load()))

    def _obey(self, message: object) -> None:
        match message:
            case Submit():
                self._accept(message)
            case Cancel(request_id, attempt):
                if self._has(request_id, attempt):
                    self._drop(request_id)
            case StopOutput(request_id, attempt, sample_index, num_tokens):
                if self._has(request_id, attempt):
                    self._stop(request_id, sample_index, num_tokens)
            case Probe():
                latency_s = self._latency.latency_s(self._loop.time())
                self._link.mention(ProbeAnswer(self._latency.num_in_flight, latency_s))
            case Alive():
                pass
            case _:
                raise InvariantViolation("known_message", f"a replica was told {message!r}")

    def _has(self, request_id: str, attempt: int) -> bool:
        accepted = self._accepted.get(request_id)
        return accepted is not None and accepted.attempt == attempt

    def _drop(self, request_id: str) -> None:
        accepted = self._part(request_id, Status.CANCELLED)
        if accepted.task is not None:
            accepted.task.cancel()  # it may still wait for its grammar
        self.driver.cancel(request_id)

    def _part(self, request_id: str, status: Status) -> _Accepted:
        """It is done with a request, in this way."""
        accepted = self._accepted.pop(request_id)
        if accepted.is_over is not None:
            accepted.is_over.set()
        self._latency.note_ended(request_id, status, self._loop.time())
        return accepted

    def _stop(self, request_id: str, sample_index: int, num_tokens: int) -> None:
        accepted = self._accepted[request_id]
        if accepted.has_begun:
            self.driver.stop_output(request_id, sample_index, num_tokens)
        else:
            accepted.stops.append((sample_index, num_tokens))

    def _accept(self, submit: Submit) -> None:
        request = submit.request
        if request.request_id in self._accepted:
            self._drop(request.request_id)  # over for its client, whose next one has the same name
        accepted = self._accepted[request.request_id] = _Accepted(submit)
        self._latency.note_arrived(request.request_id, self._loop.time())
        if self._is_held(request):
            accepted.task = self._loop.create_task(self._begin_held(submit, accepted))
        else:
            self._begin(submit)

    def _begin(self, submit: Submit) -> None:
        request_id = submit.request.request_id
        try:
            self.driver.begin(submit.request, submit.emitted)
            accepted = self._accepted[request_id]
            accepted.has_begun = True
            for sample_index, num_tokens in accepted.stops:
                self.driver.stop_output(request_id, sample_index, num_tokens)
        except Exception as error:
            self._refuse(request_id, submit.attempt, error)

    async def _begin_held(self, submit: Submit, accepted: _Accepted) -> None:
        request_id = submit.request.request_id
        is_over = accepted.is_over = asyncio.Event()
        try:
            async with self._hold(submit.request):
                self._begin(submit)
                await is_over.wait()
        except Exception as error:
            self._refuse(request_id, submit.attempt, error)

    def _refuse(self, request_id: str, attempt: int, error: Exception) -> None:
        self._part(request_id, Status.REJECTED)
        if not isinstance(error, WeftError):
            failed = Ended(request_id, attempt, Status.FAILED, f"{type(error).__name__}: {error}", 0)
            self._link.post(Report((failed,)))
            return
        is_invalid = isinstance(error, InvalidRequest)
        if isinstance(error, RequestRejected):
            refused = Refused(request_id, attempt, error.reason, error.retry_after_s)
        else:
            refused = Refused(request_id, attempt, str(error), None, is_invalid)
        self._link.post(Report((refused,)))

    def report(self, news: Sequence[Output | RequestEnded]) -> None:
        """What the driver has to tell, as one message."""
        told = [self._ended(each) if isinstance(each, RequestEnded) else self._told(each) for each in news]
        found = tuple(each for each in told if each is not None)
        if found:
            self._link.post(Report(found))

    def _told(self, output: Output) -> News | None:
        accepted = self._accepted.get(output.request_id)
        if accepted is None:
            return None
        first = accepted.told.get(output.sample_index, 0)
        accepted.told[output.sample_index] = first + len(output.tokens)
        request_id, sample_index, tokens, status, reason, logprobs, of_prompt, embedding = output
        about = (request_id, accepted.attempt, sample_index, first, tokens, status, reason)
        return Told(*about, logprobs, of_prompt, embedding)

    def _ended(self, end: RequestEnded) -> News | None:
        if end.request_id not in self._accepted:
            return None
        accepted = self._part(end.request_id, end.status)
        return Ended(end.request_id, accepted.attempt, end.status, end.reason, end.output_tokens)

    def stopped(self, defect: Exception) -> None:
        """The engine cannot go on."""
        self._link.post(Stopped(str(defect)))
