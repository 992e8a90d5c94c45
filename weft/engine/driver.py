"""The asyncio loop that connects an engine with an executor, live and simulated alike: a step is planned as
soon as fewer than `depth` are in flight and there is work, and taken in when its result arrives."""

import asyncio
from collections.abc import Callable
from functools import partial

from weft.contracts.errors import PolicyError
from weft.contracts.events import RequestEnded
from weft.contracts.execution import ExecutorTraits, ServingExecutor
from weft.contracts.requests import Request
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import TransferResult
from weft.engine.config import EngineConfig
from weft.engine.engine import Engine
from weft.engine.replica import Output
from weft.observation.event_log import EventLog

News = asyncio.Queue[Output | RequestEnded | Exception]  # the last: the defect that stopped the engine


class EngineDriver:
    """Makes an engine for an executor and runs both on the current event loop."""

    def __init__(self, config: EngineConfig, executor: ServingExecutor, log: EventLog | None = None) -> None:
        self.engine = Engine(config, ExecutorTraits.of(executor), log)
        self._executor, self._loop = executor, asyncio.get_running_loop()
        self._news: dict[str, News] = {}
        self.defect: Exception | None = None  # what stopped the engine for good
        self.engine.log.subscribe(self._tell, RequestEnded)

    def submit(self, request: Request, *, stream: bool = False) -> News:
        """Hand a request to the engine; raises what `Engine.submit` raises, or the defect that stopped it."""
        if self.defect:
            raise self.defect
        self.engine.submit(request, self._loop.time(), stream=stream)
        news = self._news[request.request_id] = News()
        self._loop.call_soon(self._pump)  # so that what arrives together runs together
        return news

    def cancel(self, request_id: str) -> None:
        """End a request, if it is live; nothing more is told of it."""
        self._news.pop(request_id, None)
        self.engine.cancel(request_id, self._loop.time())
        self._loop.call_soon(self._pump)

    def stop_output(self, request_id: str, sample_index: int, num_tokens: int) -> bool:
        """End one output with its `num_tokens`-th token; answers and raises as `Engine.stop_output` does."""
        self._loop.call_soon(self._pump)
        return self.engine.stop_output(request_id, sample_index, num_tokens, self._loop.time())

    async def update_weights(self, version: int, source: str) -> None:
        """Replace the weights between two steps."""
        self.engine.update_weights(version, self._loop.time())
        await self._executor.update_weights(version, source)

    def _pump(self, take_in: Callable[..., None] = lambda now_s: None, *happened: object) -> None:
        """Take in what has happened, start what can be started, tell what is new."""
        try:
            take_in(*happened, self._loop.time())
            while (step := self._plan()) is not None:
                pending = asyncio.ensure_future(self._executor.submit(step))
                pending.add_done_callback(partial(self._step_ended, step.number))
            for transfer in self.engine.take_transfers():
                moving = asyncio.ensure_future(self._executor.transfer(transfer))
                moving.add_done_callback(partial(self._transfer_ended, transfer.transfer_id))
            self._all_planned()
        except Exception as defect:  # nothing the engine says can be trusted any more: all who wait are told
            self.defect = defect
            while self._news:
                self._news.popitem()[1].put_nowait(defect)
            raise
        self._tell()

    def _all_planned(self) -> None:
        """For a driver that knows more of its executor than this one."""

    def _plan(self) -> Step | None:
        while True:
            try:
                return self.engine.schedule(self._loop.time())
            except PolicyError as error:
                if not self.engine.give_up(error, self._loop.time()):
                    return None

    def _step_ended(self, number: int, ended: asyncio.Future[StepResult]) -> None:
        if (error := ended.exception()) is None:
            self._pump(self.engine.update, ended.result())
        else:
            self._pump(self.engine.step_failed, number, f"the step failed: {error}")

    def _transfer_ended(self, number: int, ended: asyncio.Future[TransferResult]) -> None:
        error = ended.exception()  # against the contract, but no reason to let a request wait for ever
        result = ended.result() if error is None else TransferResult(number, error=repr(error))
        self._pump(self.engine.transfer_ended, result)

    def _tell(self, end: RequestEnded | None = None) -> None:
        """Pass on what is new, and then the end of a request."""
        for output in self.engine.take_outputs():
            if (news := self._news.get(output.request_id)) is not None:
                news.put_nowait(output)
        if end is not None and (news := self._news.pop(end.request_id, None)) is not None:
            news.put_nowait(end)
