"""One executor for several engines, one after the other."""

import asyncio
from collections.abc import Callable

from weft.contracts.execution import ServingExecutor
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult


class BorrowedExecutor:
    """A `ServingExecutor` that passes all on to another, and can be given back as it was: without rows. `note` is given
    each step before.

    An engine gives up the rows of what has ended with its next step, and the last engine's next step never comes.
    """

    def __init__(self, executor: ServingExecutor, note: Callable[[Step], object] = lambda step: None) -> None:
        self.depth, self.numeric_fingerprint = executor.depth, executor.numeric_fingerprint
        self._executor, self._note = executor, note
        self._held: dict[int, None] = {}
        self._last_number = -1
        self._pending: asyncio.Future[StepResult] | None = None

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        """See `Executor`."""
        self._note(work)
        for row in work.removed:
            self._held.pop(row, None)
        self._held |= dict.fromkeys(admission.row for admission in work.added)
        self._last_number = work.number
        self._pending = asyncio.ensure_future(self._executor.submit(work))
        return self._pending

    async def update_weights(self, version: int, source: str) -> None:
        """See `ServingExecutor`."""
        await self._executor.update_weights(version, source)

    async def forget_rows(self) -> None:
        """See `ServingExecutor`."""
        self._held.clear()
        await self._executor.forget_rows()

    async def transfer(self, transfer: Transfer) -> TransferResult:
        """See `StateMover`."""
        return await self._executor.transfer(transfer)

    async def give_back(self) -> None:
        """Wait for the steps that were planned before the last end was known, and let go of all rows; whoever
        borrowed may submit nothing afterwards."""
        if self._pending is not None:
            await self._pending
            await asyncio.sleep(0)  # in which the executor learns of it too
        rows, self._held = tuple(self._held), {}
        if rows:
            await self._executor.submit(
                Step(self._last_number + 1, 0, 0, rows, (), (), (), (), (), False, ())
            )
            await asyncio.sleep(0)
