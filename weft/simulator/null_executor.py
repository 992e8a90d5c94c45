"""An executor that does nothing, at a cost that does not depend on the batch.

It exists to measure everything around execution: what remains of a step is the scheduler's own work.
"""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.steps import Candidate, Step, StepResult, TokenLogprobs, Verification
from weft.contracts.transfers import Transfer, TransferResult

_Result = TypeVar("_Result")

NULL_TOKEN = 7
"""The only token that a `NullExecutor` emits."""


_TOKENS = bytes([NULL_TOKEN]) * 2**16
"""One token for each row of the largest batch; bytes, because looking one up must cost next to nothing."""
_NO_VERIFICATION: Mapping[int, Verification] = {}
_NO_CANDIDATES: Mapping[int, tuple[Candidate, ...]] = {}
_CERTAIN = (TokenLogprobs(NULL_TOKEN, 0.0),)


class _Askers:
    """The rows whose requests ask for log-probabilities, and whether they stand."""

    def __init__(self) -> None:
        self._stands: dict[int, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._stands)

    def follow(self, step: Step) -> Mapping[int, tuple[TokenLogprobs, ...]]:
        """What those of them that emit in a step are told."""
        self._change_rows(step)
        emitting = [row for row, stands in self._stands.items() if stands and step.advances]
        for entry in step.entries:
            if entry.emits and entry.row in self._stands:
                self._stands[entry.row] = entry.stands
                emitting.append(entry.row)
        return dict.fromkeys(emitting, _CERTAIN)

    def _change_rows(self, step: Step) -> None:
        for row in step.removed:
            self._stands.pop(row, None)
        for row in step.paused:
            if row in self._stands:
                self._stands[row] = False
        for admission in step.added:
            if admission.request.sampling.logprobs is not None:
                self._stands[admission.row] = False


class NullExecutor:
    """A `ServingExecutor` that returns `NULL_TOKEN` for every row and never ends a sequence.

    A step takes `step_s` seconds of loop time after the one before it; 0 returns in the loop's next round.
    Drafts are rejected whole; candidates are the tokens from 0 on; log-probabilities are 0 and name no other
    tokens. A standing row costs nothing, an explicit entry a look for drafts and candidates.
    """

    numeric_fingerprint = "null-1"

    def __init__(self, depth: int = 2, step_s: float = 0.0) -> None:
        if depth < 1 or not step_s >= 0.0:
            raise ConfigurationError(
                f"depth {depth}, step_s {step_s}: give a depth of at least 1 and no negative time"
            )
        self.depth = depth
        self._step_s = step_s
        self._busy_until_s = 0.0
        self._askers = _Askers()

    def submit(self, work: Step) -> asyncio.Future[StepResult]:
        """Complete `work` in order; never raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[StepResult] = loop.create_future()
        result = self._result(work) if work.entries or self._askers else StepResult(work.number, _TOKENS)
        if self._step_s:
            self._busy_until_s = max(self._busy_until_s, loop.time()) + self._step_s
            loop.call_at(self._busy_until_s, _complete, future, result)
        else:
            loop.call_soon(_complete, future, result)
        return future

    def _result(self, step: Step) -> StepResult:
        verified: Mapping[int, Verification] = _NO_VERIFICATION
        candidates: Mapping[int, tuple[Candidate, ...]] = _NO_CANDIDATES
        for entry in step.entries:
            if entry.draft is not None:
                verified = {**verified, entry.row: Verification((), (NULL_TOKEN,))}
            elif entry.num_candidates:
                candidates = {**candidates, entry.row: _candidates(entry.num_candidates)}
        return StepResult(step.number, _TOKENS, (), verified, candidates, self._askers.follow(step))

    def transfer(self, transfer: Transfer) -> asyncio.Future[TransferResult]:
        """Complete in the loop's next round, with checksum 0."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[TransferResult] = loop.create_future()
        loop.call_soon(_complete, future, TransferResult(transfer.transfer_id, checksum=0))
        return future

    async def update_weights(self, version: int, source: str) -> None:
        """There are no weights."""

    async def forget_rows(self) -> None:
        """Nobody asks for log-probabilities any more."""
        self._askers = _Askers()


def _candidates(count: int) -> tuple[Candidate, ...]:
    return tuple(Candidate(token, -1.0 - token) for token in range(count))


def _complete(future: asyncio.Future[_Result], result: _Result) -> None:
    if not future.done():
        future.set_result(result)
