"""The live executor: steps in one worker thread, transfers in another, the event loop free."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.executor.model_runner import ModelRunner
from weft.models.decoder import Decoder


class StepAborted(RuntimeError):
    """A step was not executed because one submitted before it failed."""


class TorchExecutor:
    """A `ServingExecutor` over a `ModelRunner`.

    `load_weights`: makes the model from a source, for `update_weights`. When a step raises, those submitted
    before that is known on the event loop raise `StepAborted`.
    """

    def __init__(
        self, runner: ModelRunner, fingerprint: str, load_weights: Callable[[str], Decoder], depth: int
    ) -> None:
        self.depth = depth
        self._fingerprint = fingerprint
        self.runner = runner
        self._load_weights = load_weights
        self.step_thread: int | None = None
        """The id of the thread that does the steps; None before the first."""
        self._steps = ThreadPoolExecutor(1, "weft-steps", initializer=self._begin_steps)
        self._transfers = ThreadPoolExecutor(1, "weft-transfers")
        self._num_in_flight = 0
        # Steps belong to an epoch, which ends when the loop learns of a failure in it.
        self._epoch = 0
        self._failed_epoch = -1

    @property
    def numeric_fingerprint(self) -> str:
        """Backend, libraries and formats."""
        return self._fingerprint

    @property
    def is_busy(self) -> bool:
        """Whether a step is under way."""
        return self._num_in_flight > 0

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        """Queue a step; raises `InvariantViolation` `depth` where `depth` steps are in flight."""
        if self._num_in_flight >= self.depth:
            raise InvariantViolation("depth", f"step {work.number} is one more than {self.depth} in flight")
        self._num_in_flight += 1
        future = asyncio.get_running_loop().run_in_executor(self._steps, self._execute, work, self._epoch)
        future.add_done_callback(self._step_ended)
        return future

    def update_weights(self, version: int, source: str) -> "asyncio.Future[None]":
        """Load other weights after the steps submitted so far; a failure leaves the old ones in place."""
        del version  # the engine's steps name it, and come in order
        return asyncio.get_running_loop().run_in_executor(self._steps, self._replace_weights, source)

    def forget_rows(self) -> "asyncio.Future[None]":
        """Give up every row, in the thread of the steps."""
        return asyncio.get_running_loop().run_in_executor(self._steps, self.runner.forget_rows)

    def transfer(self, transfer: Transfer) -> "asyncio.Future[TransferResult]":
        """Move state beside the steps."""
        return asyncio.get_running_loop().run_in_executor(self._transfers, self._move, transfer)

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._steps.shutdown()
        self._transfers.shutdown()
        self.runner.close()

    def _begin_steps(self) -> None:
        self.step_thread = threading.get_ident()
        # Of this thread: to ask for it in each step takes longer than most of a step's parts.
        torch.set_grad_enabled(False)
        self.runner.bind_thread()

    def _execute(self, step: Step, epoch: int) -> StepResult:
        if epoch == self._failed_epoch:
            self.runner.lose(step)
            raise StepAborted(f"step {step.number} aborted: a step before it failed")
        try:
            return self.runner.execute(step)
        except BaseException:
            self._failed_epoch = epoch
            self.runner.lose(step)
            raise

    def _step_ended(self, ended: "asyncio.Future[StepResult]") -> None:
        self._num_in_flight -= 1
        if not ended.cancelled() and ended.exception() is not None and self._failed_epoch == self._epoch:
            self._epoch += 1

    def _replace_weights(self, source: str) -> None:
        self.runner.replace_model(self._load_weights(source))

    def _move(self, transfer: Transfer) -> TransferResult:
        try:
            return self.runner.move(transfer)
        except Exception as error:
            return TransferResult(transfer.transfer_id, error=f"{type(error).__name__}: {error}")
