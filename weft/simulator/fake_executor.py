"""The fake device behind the asynchronous seam, with durations and failures that a test chooses."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple, Protocol, TypeVar

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.simulator.fake_device import FakeDevice
from weft.simulator.fake_model import FakeModelSpec

_Work = TypeVar("_Work")
_Result = TypeVar("_Result")


class Device(Protocol):
    """What does the work of an executor; see `FakeDevice`, which is one."""

    def execute(self, step: Step) -> StepResult: ...
    def lose(self, step: Step) -> None: ...
    def move(self, transfer: Transfer) -> TransferResult: ...
    def fail_move(self, transfer: Transfer, error: str) -> TransferResult: ...
    def update_weights(self, version: int) -> None: ...
    def forget_rows(self) -> None: ...


class StepAborted(RuntimeError):
    """A step was not executed because one submitted before it failed."""


class _QueuedStep(NamedTuple):
    step: Step
    future: "asyncio.Future[StepResult]"


class _QueuedWeights(NamedTuple):
    version: int
    future: "asyncio.Future[None]"


class PacedExecutor:
    """A `ServingExecutor` over a device, in loop time. `fingerprint`: names the bits of its state.

    A step begins when the one before it has completed, and its whole effect happens when it completes,
    `step_s` seconds of loop time later (a number, or a function of the step; infinity: it never does). A
    transfer begins at once and runs beside the steps; it reads and writes all its blocks when it completes,
    after `transfer_s`. So a block that is read or reused too early shows in the text.

    `submit_fails(step)` is asked as a step is due: an exception makes the step raise it. What
    `transfer_fails` returns for a transfer becomes its error; its target blocks hold garbage then.

    When a step raises, for whatever reason, it has no effect but what `FakeDevice.lose` says, and the
    steps submitted after it raise `StepAborted`, as on a device that stops at an error. Steps submitted
    later are executed. A change of weights is never aborted.
    """

    def __init__(
        self,
        device: Device,
        fingerprint: str,
        *,
        depth: int = 2,
        step_s: float | Callable[[Step], float] = 0.0,
        transfer_s: float | Callable[[Transfer], float] = 0.0,
        submit_fails: Callable[[Step], Exception | None] | None = None,
        transfer_fails: Callable[[Transfer], str | None] | None = None,
    ) -> None:
        if depth < 1:
            raise ConfigurationError(f"depth is {depth}; it must be at least 1")
        self._device, self._fingerprint = device, fingerprint
        self.depth = depth
        self._step_s = step_s
        self._transfer_s = transfer_s
        self._submit_fails = submit_fails
        self._transfer_fails = transfer_fails
        self._queue: deque[_QueuedStep | _QueuedWeights] = deque()
        self._num_steps = 0

    @property
    def numeric_fingerprint(self) -> str:
        """It enters every key of state."""
        return self._fingerprint

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        """Queue a step; raises `InvariantViolation` `depth` where `depth` steps are in flight."""
        if self._num_steps >= self.depth:
            raise InvariantViolation("depth", f"step {work.number} is one more than {self.depth} in flight")
        self._num_steps += 1
        queued = _QueuedStep(work, asyncio.get_running_loop().create_future())
        self._enqueue(queued)
        return queued.future

    def update_weights(self, version: int, source: str) -> "asyncio.Future[None]":
        """Replace the weights after the steps submitted so far; takes no time. `source` is not read."""
        queued = _QueuedWeights(version, asyncio.get_running_loop().create_future())
        self._enqueue(queued)
        return queued.future

    async def forget_rows(self) -> None:
        """Give up every row; raises `InvariantViolation` `depth` where a step is in flight."""
        if self._num_steps:
            raise InvariantViolation(
                "depth", f"rows are to be forgotten while {self._num_steps} steps are in flight"
            )
        self._device.forget_rows()

    def transfer(self, transfer: Transfer) -> "asyncio.Future[TransferResult]":
        """Begin a transfer now; blocks that do not exist raise `InvariantViolation` on completion."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[TransferResult] = loop.create_future()
        loop.call_later(_duration_s(self._transfer_s, transfer), self._complete_transfer, transfer, future)
        return future

    def _enqueue(self, queued: _QueuedStep | _QueuedWeights) -> None:
        self._queue.append(queued)
        if len(self._queue) == 1:
            self._begin()

    def _begin(self) -> None:
        if self._queue:
            head = self._queue[0]
            delay_s = _duration_s(self._step_s, head.step) if isinstance(head, _QueuedStep) else 0.0
            if delay_s < inf:
                asyncio.get_running_loop().call_later(delay_s, self._complete)

    def _complete(self) -> None:
        head = self._queue[0]
        if isinstance(head, _QueuedWeights):
            self._device.update_weights(head.version)
            _settle(head.future, lambda: None)
        else:
            self._complete_step(head)
        self._queue.popleft()
        self._begin()

    def _complete_step(self, queued: _QueuedStep) -> None:
        self._num_steps -= 1
        error = self._submit_fails(queued.step) if self._submit_fails is not None else None
        if error is None:
            error = _settle(queued.future, lambda: self._device.execute(queued.step))
        else:
            _refuse(queued.future, error)
        if error is not None:
            self._device.lose(queued.step)
            self._abort_followers(queued.step.number)

    def _abort_followers(self, failed: int) -> None:
        head, *followers = self._queue
        self._queue = deque([head])
        for queued in followers:
            if isinstance(queued, _QueuedWeights):
                self._queue.append(queued)
                continue
            self._num_steps -= 1
            self._device.lose(queued.step)
            _refuse(queued.future, StepAborted(f"step {queued.step.number} aborted: step {failed} failed"))
            # The failure before it tells all; nobody need ask for this one.
            queued.future.cancelled() or queued.future.exception()

    def _complete_transfer(self, transfer: Transfer, future: "asyncio.Future[TransferResult]") -> None:
        error = self._transfer_fails(transfer) if self._transfer_fails is not None else None
        if error is None:
            _settle(future, lambda: self._device.move(transfer))
        else:
            _settle(future, lambda: self._device.fail_move(transfer, error))


class FakeExecutor(PacedExecutor):
    """One whose text depends on every slot of state; see `FakeDevice` for what it checks, and `PacedExecutor` for what
    `options` there are."""

    def __init__(
        self,
        spec: FakeModelSpec,
        num_blocks: Mapping[str, int],
        num_host_blocks: Mapping[str, int] | None = None,
        *,
        max_step_tokens: int | None = None,
        **options: Any,
    ) -> None:
        self.device = FakeDevice(spec, num_blocks, num_host_blocks, max_step_tokens)
        super().__init__(self.device, spec.fingerprint, **options)


def _duration_s(duration_s: float | Callable[[_Work], float], work: _Work) -> float:
    return duration_s(work) if callable(duration_s) else duration_s


def _settle(future: "asyncio.Future[_Result]", act: Callable[[], _Result]) -> Exception | None:
    """Give a future what `act` returns or raises; an awaiter that was cancelled does not undo the act."""
    try:
        result = act()
    except Exception as error:
        _refuse(future, error)
        return error
    if not future.done():
        future.set_result(result)
    return None


def _refuse(future: "asyncio.Future[_Result]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
