"""The asyncio loop that connects an engine with an executor, live and simulated alike.

Everything happens in callbacks of the running loop: a step is planned as soon as fewer than `depth` are in
flight and there is work, and taken in when its result arrives.
"""

import asyncio
from functools import partial

from weft.contracts.errors import PolicyError
from weft.contracts.events import RequestEnded
from weft.contracts.execution import ServingExecutor
from weft.contracts.requests import Request
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import TransferResult
from weft.engine.engine import Engine
from weft.engine.replica import Output

News = asyncio.Queue[Output | RequestEnded | Exception]
"""What is told of one request: outputs, then its end; or the exception that stopped the engine."""


class EngineDriver:
    """Runs an engine on the current event loop."""

    def __init__(self, engine: Engine, executor: ServingExecutor) -> None:
        self._engine = engine
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._news: dict[str, News] = {}
        self._ended: list[RequestEnded] = []
        self._is_due = False
        engine.log.subscribe(self._ended.append, RequestEnded)

    def submit(self, request: Request, *, stream: bool = False) -> News:
        """Hand a request to the engine; raises what `Engine.submit` raises."""
        self._engine.submit(request, self._loop.time(), stream=stream)
        self._wake()
        news = self._news[request.request_id] = News()
        return news

    def cancel(self, request_id: str) -> None:
        """End a request, if it is live; nothing more is told of it."""
        self._news.pop(request_id, None)
        if self._engine.cancel(request_id, self._loop.time()):
            self._wake()

    async def update_weights(self, version: int, source: str) -> None:
        """Replace the weights between two steps."""
        done = self._executor.update_weights(version, source)
        self._engine.update_weights(version, self._loop.time())
        await done

    def _wake(self) -> None:
        """Plan once all callbacks that are ready now have run: what arrives together runs together."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._is_due = False
        try:
            while (step := self._plan()) is not None:
                pending = asyncio.ensure_future(self._executor.submit(step))
                pending.add_done_callback(partial(self._step_ended, step.number))
            for transfer in self._engine.take_transfers():
                moving = asyncio.ensure_future(self._executor.transfer(transfer))
                moving.add_done_callback(self._transfer_ended)
        except Exception as error:
            self._stop(error)
        self._deliver()

    def _plan(self) -> Step | None:
        while True:
            try:
                return self._engine.schedule(self._loop.time())
            except PolicyError as error:
                live = self._engine.live_requests()
                for request_id in live if error.request_id is None else [error.request_id]:
                    self._engine.fail(request_id, str(error), self._loop.time())
                if not live:
                    return None

    def _step_ended(self, number: int, ended: asyncio.Future[StepResult]) -> None:
        error = ended.exception()
        try:
            if error is None:
                self._engine.update(ended.result(), self._loop.time())
            else:
                self._engine.step_failed(number, f"the step failed: {error}", self._loop.time())
        except Exception as broken:
            self._stop(broken)
        self._pump()

    def _transfer_ended(self, ended: asyncio.Future[TransferResult]) -> None:
        self._engine.transfer_ended(ended.result(), self._loop.time())
        self._pump()

    def _deliver(self) -> None:
        for output in self._engine.take_outputs():
            if (news := self._news.get(output.request_id)) is not None:
                news.put_nowait(output)
        for end in self._ended:
            if (finished := self._news.pop(end.request_id, None)) is not None:
                finished.put_nowait(end)
        self._ended.clear()

    def _stop(self, error: Exception) -> None:
        """A defect of ours: nothing the engine says can be trusted, so everybody who waits is told."""
        news, self._news = self._news, {}
        for queue in news.values():
            queue.put_nowait(error)
        raise error
