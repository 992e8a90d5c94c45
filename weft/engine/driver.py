"""The asyncio loop that connects an engine with an executor, live and simulated alike: a step is planned as
soon as fewer than `depth` are in flight and there is work, and taken in when its result arrives."""

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

News = asyncio.Queue[Output | RequestEnded | Exception]  # the last: the defect that stopped the engine


class EngineDriver:
    """Runs an engine on the current event loop."""

    def __init__(self, engine: Engine, executor: ServingExecutor) -> None:
        self._engine, self._executor = engine, executor
        self._loop = asyncio.get_running_loop()
        self._news: dict[str, News] = {}
        self._ended: list[RequestEnded] = []
        self._defect: Exception | None = None
        engine.log.subscribe(self._ended.append, RequestEnded)

    def submit(self, request: Request, *, stream: bool = False) -> News:
        """Hand a request to the engine; raises what `Engine.submit` raises, or the defect that stopped it."""
        if self._defect:
            raise self._defect
        self._deliver()  # what has ended so far had this id before
        self._engine.submit(request, self._loop.time(), stream=stream)
        news = self._news[request.request_id] = News()
        self._loop.call_soon(self._pump)  # so that what arrives together runs together
        return news

    def cancel(self, request_id: str) -> None:
        """End a request, if it is live; nothing more is told of it."""
        self._news.pop(request_id, None)
        self._engine.cancel(request_id, self._loop.time())
        self._loop.call_soon(self._pump)

    async def update_weights(self, version: int, source: str) -> None:
        """Replace the weights between two steps."""
        self._engine.update_weights(version, self._loop.time())
        await self._executor.update_weights(version, source)

    def _pump(self) -> None:
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
                if not self._engine.give_up(error, self._loop.time()):
                    return None

    def _step_ended(self, number: int, ended: asyncio.Future[StepResult]) -> None:
        try:
            if (error := ended.exception()) is None:
                self._engine.update(ended.result(), self._loop.time())
            else:
                self._engine.step_failed(number, f"the step failed: {error}", self._loop.time())
        except Exception as defect:
            self._stop(defect)
        self._pump()

    def _transfer_ended(self, ended: asyncio.Future[TransferResult]) -> None:
        self._engine.transfer_ended(ended.result(), self._loop.time())
        self._pump()

    def _deliver(self) -> None:
        for output in self._engine.take_outputs():
            if (news := self._news.get(output.request_id)) is not None:
                news.put_nowait(output)
        for end in self._ended:
            if (news := self._news.pop(end.request_id, None)) is not None:
                news.put_nowait(end)
        self._ended.clear()

    def _stop(self, defect: Exception) -> None:
        """Nothing the engine says can be trusted any more: everybody who waits is told."""
        self._defect = defect
        while self._news:
            self._news.popitem()[1].put_nowait(defect)
        raise defect
