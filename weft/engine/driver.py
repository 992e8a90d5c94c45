"""The asyncio loop that connects an engine with an executor, live and simulated alike: a step is planned as
soon as fewer than `depth` are in flight and there is work, and taken in when its result arrives.

What goes wrong hits as few as possible. A step that fails ends the requests that run. A defect of the engine itself
ends all its requests; where its state is sound it goes on, else a fresh engine takes its place.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from weft.contracts.errors import PolicyError, WeftError
from weft.contracts.events import RequestEnded
from weft.contracts.execution import ExecutorTraits, ServingExecutor
from weft.contracts.requests import Request
from weft.contracts.routing import LoadReport
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import TransferResult
from weft.engine.arrivals import Resumption
from weft.engine.config import EngineConfig
from weft.engine.defects import MOST_DEFECTS, Defects, named, stopped
from weft.engine.engine import Engine
from weft.engine.mailbox import Mailbox
from weft.engine.replica import Output
from weft.observation.event_log import EventLog

OneNews = Output | RequestEnded | Exception  # the last: what stopped the engine for good
News = Mailbox[OneNews]
Answer = TypeVar("Answer")

MOST_UNREAD = 1 << 15
"""News that a client may leave unread before its request fails: about 10 MB, where it asks for no log-probabilities."""


class EngineDriver:
    """Makes an engine for an executor and runs both on the current event loop.

    `engine`: the present one. `defect`: what stopped it for good, or None. The exception handler of the loop is told
    of every defect.
    """

    def __init__(self, config: EngineConfig, executor: ServingExecutor, log: EventLog | None = None) -> None:
        self._config, self._executor, self._loop = config, executor, asyncio.get_running_loop()
        self._log = EventLog() if log is None else log
        self._news: dict[str, News] = {}
        self._overdue: list[str] = []
        self._num_steps = self._num_transfers = 0  # under way
        self._defects = Defects()
        self.defect: Exception | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._is_replaced = False  # the executor still is with the former engine
        self.engine = self._make_engine()
        self._log.subscribe(self._tell, RequestEnded)

    def _make_engine(self) -> Engine:
        before = self._log.handlers()
        engine = Engine(self._config, ExecutorTraits.of(self._executor), self._log)
        self._handlers_of_engine = [each for each in self._log.handlers() if each not in before]
        return engine

    def _now_s(self) -> float:
        """On the clock of the loop."""
        return self._loop.time()

    def submit(self, request: Request, *, stream: bool = False) -> News:
        """Hand a request to the engine; raises what `Engine.submit` raises, or the defect that stopped it."""
        self._begin(request, stream=stream)
        news = self._news[request.request_id] = News()
        return news

    def _begin(self, request: Request, *, stream: bool, emitted: Resumption = None) -> None:
        if self.defect:
            raise self.defect
        self._ask(partial(self.engine.submit, request, self._now_s(), stream=stream, emitted=emitted))
        self._loop.call_soon(self._pump)  # so that what arrives together runs together

    def cancel(self, request_id: str) -> None:
        """End a request, if it is live; nothing more is told of it."""
        self._news.pop(request_id, None)
        self._ask(partial(self.engine.cancel, request_id, self._now_s()))
        self._loop.call_soon(self._pump)

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool:
        """End one output with its `num_tokens`-th token; answers and raises as `Engine.stop_output` does."""
        self._loop.call_soon(self._pump)
        stop = partial(self.engine.stop_output, request_id, sample_index, num_tokens, self._now_s())
        return self._ask(stop)

    async def update_weights(self, version: int, source: str) -> None:
        """Replace the weights between two steps."""
        self.engine.update_weights(version, self._now_s())
        await self._executor.update_weights(version, source)

    def load(self) -> LoadReport:
        """How its engine gets on."""
        return self.engine.load()

    def _ask(self, ask: Callable[[], Answer]) -> Answer:
        """Raises what the engine says to a mistake, and also what it did not mean to raise."""
        try:
            return ask()
        except WeftError:
            raise
        except Exception as defect:
            self._get_over(defect)
            raise

    def _pump(self, take_in: Callable[..., None] = lambda now_s: None, *happened: object) -> None:
        """Take in what has happened, start what can be started, tell what is new."""
        if self.defect:
            return
        try:
            take_in(*happened, self._now_s())
            while self._overdue:
                self.engine.fail(self._overdue.pop(), "its client leaves too much unread", self._now_s())
            if not self._is_replaced:
                self._start()
            self._tell()
        except Exception as defect:
            self._get_over(defect)

    def _start(self) -> None:
        while (step := self._plan()) is not None:
            self._submit(step)
            self._num_steps += 1  # not before: a step that could not be submitted is not under way
        for transfer in self.engine.take_transfers():
            moving = asyncio.ensure_future(self._executor.transfer(transfer))
            self._num_transfers += 1
            moving.add_done_callback(partial(self._transfer_ended, transfer.transfer_id))
        self._all_planned()

    def _submit(self, step: Step) -> None:
        pending = asyncio.ensure_future(self._executor.submit(step))
        pending.add_done_callback(partial(self._step_ended, step.number))

    def _all_planned(self) -> None:
        """For a driver that knows more of its executor than this one."""

    def _plan(self) -> Step | None:
        while True:
            try:
                return self.engine.schedule(self._now_s())
            except PolicyError as error:
                if not self.engine.give_up(error, self._now_s()):
                    return None

    def _step_ended(self, number: int, ended: asyncio.Future[StepResult]) -> None:
        self._num_steps -= 1
        error = _error_of(ended)
        if self._is_replaced:
            self._clear()
        elif error is None:
            self._pump(self.engine.update, ended.result())
        else:
            self._pump(self._step_failed, number, error)

    def _step_failed(self, number: int, error: BaseException, now_s: float) -> None:
        self.engine.step_failed(number, f"the step failed: {error}", now_s)
        self.engine.check_integrity()

    def _transfer_ended(self, number: int, ended: asyncio.Future[TransferResult]) -> None:
        self._num_transfers -= 1
        error = _error_of(ended)  # against the contract, but no reason to let a request wait for ever
        if self._is_replaced:
            self._clear()
        else:
            result = ended.result() if error is None else TransferResult(number, error=repr(error))
            self._pump(self.engine.transfer_ended, result)

    def _tell(self, end: RequestEnded | None = None) -> None:
        """Pass on what is new, and then the end of a request."""
        for output in self.engine.take_outputs():
            if (news := self._news.get(output.request_id)) is not None:
                news.put_nowait(output)
                if news.qsize() == MOST_UNREAD:
                    self._overdue.append(output.request_id)
        if end is not None and (news := self._news.pop(end.request_id, None)) is not None:
            news.put_nowait(end)

    def _get_over(self, defect: Exception) -> None:
        """All who wait are told; then this engine goes on, or another, unless there is no end of it."""
        now_s = self._now_s()
        count = self._defects.note(now_s)
        self._loop.call_exception_handler({"message": named(defect), "exception": defect})
        if count >= MOST_DEFECTS:
            self._stop(defect)
            return
        try:
            if count > 1 or not self._contains(defect, now_s):
                self._replace(defect, now_s)
            self._tell()
        except Exception as last:
            self._stop(last)
        else:
            self._loop.call_soon(self._pump)

    def _contains(self, defect: Exception, now_s: float) -> bool:
        """Fail every request; whether the state is sound then."""
        engine = self.engine
        if self._is_replaced:
            return False
        try:
            for request_id in engine.live_requests():
                engine.fail(request_id, named(defect), now_s)
            engine.check_integrity()
        except Exception:
            return False
        return engine.num_in_flight == self._num_steps and engine.num_transfers == self._num_transfers

    def _replace(self, defect: Exception, now_s: float) -> None:
        self._tell()
        self.engine.abandon(named(defect), now_s)
        for handler in self._handlers_of_engine:
            self._log.unsubscribe(handler)
        former, self.engine = self.engine, self._make_engine()
        self.engine.succeed(former)
        self._is_replaced = True
        self._clear()

    def _clear(self) -> None:
        """Once nothing of the former engine is under way any more, the executor forgets its rows."""
        if self._num_steps + self._num_transfers == 0 and self._clearing is None:
            self._clearing = self._loop.create_task(self._forget_rows())

    async def _forget_rows(self) -> None:
        try:
            await self._executor.forget_rows()
        except Exception as error:
            self._stop(error)
        else:
            self._is_replaced, self._clearing = False, None
            self._pump()

    def _stop(self, defect: Exception) -> None:
        """For good: an executor that cannot go on, or defects without end."""
        self.defect = stopped(defect)
        while self._news:
            self._news.popitem()[1].put_nowait(self.defect)


def _error_of(ended: asyncio.Future[Any]) -> BaseException | None:
    return asyncio.CancelledError() if ended.cancelled() else ended.exception()
