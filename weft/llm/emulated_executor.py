"""An executor that takes as long as other hardware would, on this machine's clock, and computes nothing."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from weft.contracts.errors import InvariantViolation
from weft.contracts.state import Tier
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.simulator.simulated_executor import ServedModel
from weft.simulator.simulated_rows import SimulatedRows


class EmulatedExecutor:
    """A `ServingExecutor` whose steps sleep for what the cost model of `model` says.

    They do so in a thread, one after the other, as steps of a device do for which a thread waits. What the host does
    between them is not modelled: it happens. All outputs get the same token in a step, one of `words` after the other;
    an output ends where `lengths` says (as `SimulatedRows` takes them), with `end_token`.
    """

    def __init__(
        self,
        model: ServedModel,
        fingerprint: str,
        lengths: Mapping[str, Sequence[int]],
        depth: int,
    ) -> None:
        self.depth = depth
        self.numeric_fingerprint = fingerprint
        self.words: Sequence[int] = (0,)
        self.end_token = 0
        self.step_thread: int | None = None
        """The id of the thread that does the steps; None before the first."""
        self._model = model
        wanted = model.costs.pads_decodes, model.costs.wants_longest
        self._rows = SimulatedRows(lengths, model.windows_tokens, None, None, *wanted)
        self._steps = ThreadPoolExecutor(1, "weft-steps", initializer=self._begin_steps)
        self._num_in_flight = 0
        self._free_s = 0.0
        self._link_free_s: dict[Tier, float] = {}

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        """Queue a step; raises `InvariantViolation` `depth` where `depth` steps are in flight."""
        if self._num_in_flight >= self.depth:
            raise InvariantViolation("depth", f"step {work.number} is one more than {self.depth} in flight")
        self._num_in_flight += 1
        applied = self._rows.apply(work)
        seconds = applied.seconds(self._model.costs)
        self._free_s = max(self._free_s, time.monotonic()) + seconds
        result = StepResult(work.number, self._tokens(work.number, applied.finished), applied.finished)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._steps, _wait_until, self._free_s, result)
        future.add_done_callback(self._step_ended)
        return future

    def _tokens(self, number: int, finished: Sequence[int]) -> list[int]:
        """Of every row there is."""
        tokens = [self.words[number % len(self.words)]] * len(self._rows.tokens)
        for row in finished:
            tokens[row] = self.end_token
        return tokens

    def _begin_steps(self) -> None:
        self.step_thread = threading.get_ident()

    def _step_ended(self, ended: "asyncio.Future[StepResult]") -> None:
        self._num_in_flight -= 1
        if not ended.cancelled():
            self._rows.returned_step = ended.result().number

    async def transfer(self, transfer: Transfer) -> TransferResult:
        """Complete when the last of its blocks would have passed the host's link, one after the other each way."""
        num_bytes = sum(self._model.block_bytes[move.group] for move in transfer.moves)
        begin_s = max(time.monotonic(), self._link_free_s.get(transfer.source, 0.0))
        end_s = self._link_free_s[transfer.source] = begin_s + self._model.host_link.seconds(num_bytes)
        await asyncio.sleep(end_s - time.monotonic())
        return TransferResult(transfer.transfer_id, checksum=transfer.expected_checksum or 0)

    async def update_weights(self, version: int, source: str) -> None:
        """Takes no time: there are no weights."""

    async def forget_rows(self) -> None:
        """Give up every row."""
        self._rows.forget()

    def close(self) -> None:
        """Wait for the step under way and end the thread."""
        self._steps.shutdown()


def _wait_until(end_s: float, result: StepResult) -> StepResult:
    """In the thread of the steps, which leaves the interpreter to the others meanwhile."""
    time.sleep(max(0.0, end_s - time.monotonic()))
    return result
