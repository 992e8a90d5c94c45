"""An executor that takes the time a cost model predicts, and computes nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.state import Tier
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.costs.step_costs import StepCosts
from weft.hardware.cluster import Link
from weft.simulator.simulated_rows import SimulatedRows

MOST_ROWS = 1 << 16
_TOKENS = bytes(MOST_ROWS)
"""One token, 0, for each row of the largest batch; bytes, because looking one up must cost next to nothing."""


class ServedModel(Protocol):
    """What an executor must know of a model on its devices. `block_bytes`: per state group, on one device."""

    @property
    def windows_tokens(self) -> Sequence[int | None]: ...
    @property
    def block_bytes(self) -> Sequence[int]: ...
    @property
    def host_link(self) -> Link: ...
    @property
    def costs(self) -> StepCosts: ...


class SimulatedExecutor:
    """A `ServingExecutor` in virtual time.

    A step begins when the one before it has ended and takes what `StepCosts` says, the host's overhead included:
    it needs the tokens of the step before, so the stages of a pipeline do not overlap steps. Transfers run beside
    the steps, one after the other in each direction of the host's link; every device moves its own part. An output
    ends with the token that `output_tokens` says, by request id; nobody else may read that.

    `num_steps`, `busy_s`, `joules` (None where no source states the device's power): of the steps that have
    ended. Raises `ConfigurationError` for drafts and beam search.
    """

    numeric_fingerprint = "simulated-1"

    def __init__(self, model: ServedModel, output_tokens: Mapping[str, int], depth: int = 2) -> None:
        if depth < 1:
            raise ConfigurationError(f"depth is {depth}; it must be at least 1")
        self.depth = depth
        self.busy_s = 0.0
        self.num_steps = 0
        self.joules = model.costs.joules(0.0)
        self._model, self._seconds, self._joules = model, model.costs.seconds, model.costs.joules
        self._rows = SimulatedRows(output_tokens, model.windows_tokens)
        self._loop = asyncio.get_running_loop()
        self._in_flight = 0
        self._free_s = 0.0
        self._link_free_s: dict[Tier, float] = {}

    def submit(self, work: Step) -> asyncio.Future[StepResult]:
        """Complete `work` after the steps before it."""
        if self._in_flight >= self.depth:
            raise InvariantViolation(
                "depth", f"step {work.number} comes on top of {self._in_flight} in flight"
            )
        num_tokens, num_outputs, num_decodes, visible_tokens, chunks, finished = self._rows.apply(work)
        seconds = self._seconds(num_tokens, num_outputs, num_decodes, visible_tokens, chunks)
        now_s = self._loop.time()
        self._free_s = (self._free_s if self._free_s > now_s else now_s) + seconds
        future: asyncio.Future[StepResult] = self._loop.create_future()
        self._in_flight += 1
        result = StepResult(work.number, _TOKENS, finished)
        self._loop.call_at(self._free_s, self._complete, future, result, seconds)
        return future

    def _complete(self, future: asyncio.Future[StepResult], result: StepResult, seconds: float) -> None:
        self._in_flight -= 1
        self.num_steps += 1
        self.busy_s += seconds
        if self.joules is not None:
            self.joules += self._joules(seconds) or 0.0
        if not future.done():
            future.set_result(result)

    def transfer(self, transfer: Transfer) -> asyncio.Future[TransferResult]:
        """Complete when the last of its blocks has passed the host's link."""
        if {transfer.source: True, transfer.target: True}.keys() != {
            Tier.DEVICE: True,
            Tier.HOST: True,
        }.keys():
            raise ConfigurationError(
                f"moving state from {transfer.source} to {transfer.target} is not simulated"
            )
        num_bytes = sum(self._model.block_bytes[move.group] for move in transfer.moves)
        begin_s = max(self._loop.time(), self._link_free_s.get(transfer.source, 0.0))
        end_s = self._link_free_s[transfer.source] = begin_s + self._model.host_link.seconds(num_bytes)
        future: asyncio.Future[TransferResult] = self._loop.create_future()
        result = TransferResult(transfer.transfer_id, checksum=transfer.expected_checksum or 0)
        self._loop.call_at(end_s, _arrive, future, result)
        return future

    async def update_weights(self, version: int, source: str) -> None:
        """Takes no time: what new weights cost is not simulated."""


def _arrive(future: asyncio.Future[TransferResult], result: TransferResult) -> None:
    if not future.done():
        future.set_result(result)
