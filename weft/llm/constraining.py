"""Compiles the constraints of requests before these are submitted, off the event loop and within a deadline."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest, RequestRejected
from weft.contracts.requests import Request
from weft.text.constraints import Grammars

DEADLINE_S = 2.0
"""For one compilation, and for waiting until one can begin. What the library makes in longer would also cost much per
token."""
MOST_COMPILATIONS = 2
"""At once. A thread cannot be stopped: one that is past its deadline counts until it is done."""
MOST_WAITING = 64


class ConstraintCompiler:
    """Belongs to one event loop. What waits beyond the limits above is refused.

    `grammars`: None where the model has no tokenizer, and so no constraints.
    """

    def __init__(self, grammars: Grammars | None) -> None:
        self._grammars = grammars
        self._threads = ThreadPoolExecutor(MOST_COMPILATIONS, "weft-constraints")
        self._free = asyncio.Semaphore(MOST_COMPILATIONS)
        self._under_way: dict[Constraint, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def held(self, request: Request) -> AsyncIterator[None]:
        """Within, the executor can find the grammar of the request's constraint, if it has one.

        Raises `InvalidRequest` where it cannot be enforced or takes too long to compile, `RequestRejected` where too
        many are being compiled.
        """
        grammars, constraint = self._grammars, request.sampling.constraint
        if constraint is None or grammars is None:
            yield
            return
        while not grammars.hold(constraint):
            await self._compiled(grammars, request.request_id, constraint)
        try:
            yield
        finally:
            grammars.release(constraint)

    def close(self) -> None:
        """End the threads once they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _compiled(self, grammars: Grammars, request_id: str, constraint: Constraint) -> None:
        """Those who ask for the same wait for the same."""
        task = self._under_way.get(constraint)
        if task is None:
            if len(self._under_way) >= MOST_WAITING:
                raise _busy(request_id)
            task = asyncio.ensure_future(self._compile(grammars, request_id, constraint))
            self._under_way[constraint] = task
            task.add_done_callback(lambda ended: self._ended(constraint, ended))
        await asyncio.shield(task)

    def _ended(self, constraint: Constraint, ended: "asyncio.Task[None]") -> None:
        del self._under_way[constraint]
        if not ended.cancelled():
            ended.exception()  # all who waited may have gone

    async def _prepared(self, work: "asyncio.Future[None]") -> None:
        try:
            await work
        except BaseException:
            self._free.release()
            raise

    def _compiled_one(self, done: "asyncio.Future[None]") -> None:
        self._free.release()
        if not done.cancelled():
            done.exception()  # nobody may have waited for it to the end

    async def _compile(self, grammars: Grammars, request_id: str, constraint: Constraint) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(self._free.acquire(), DEADLINE_S)
        except TimeoutError:
            raise _busy(request_id) from None
        work = loop.run_in_executor(self._threads, grammars.prepare)
        await self._prepared(work)
        work = loop.run_in_executor(self._threads, grammars.compile, constraint)
        work.add_done_callback(self._compiled_one)
        try:
            await asyncio.wait_for(asyncio.shield(work), DEADLINE_S)
        except TimeoutError:
            error = InvalidRequest(
                f"the {constraint.kind} takes longer than {DEADLINE_S:g} s to compile; make it simpler"
            )
            grammars.refuse(constraint, error)
            raise error from None


def _busy(request_id: str) -> RequestRejected:
    return RequestRejected(request_id, "too many constraints are being compiled; try again", DEADLINE_S)
