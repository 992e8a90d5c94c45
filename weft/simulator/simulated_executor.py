"""An executor that takes the time a cost model predicts, and computes nothing."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.record import record
from weft.contracts.state import Tier
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.costs.serving_costs import ServingCosts
from weft.hardware.cluster import Link
from weft.simulator.agenda import Handle
from weft.simulator.prompt_aftermath import PromptAftermath
from weft.simulator.simulated_beams import NextTokens
from weft.simulator.simulated_drafts import DraftPasses, Luck
from weft.simulator.simulated_rows import SimulatedRows
from weft.simulator.speculation import Speculation
from weft.simulator.virtual_time import running_agenda

Arrived = TypeVar("Arrived", StepResult, TransferResult)

NUMERIC_FINGERPRINT = "simulated-1"

MOST_ROWS = 1 << 16
"""Of one replica: bounds a wrong number."""


AT_ONCE_S = 1e-8
"""A step that comes so soon after the last one returned follows it: times of the loop are rounded to nanoseconds."""


class ServedModel(Protocol):
    """What an executor must know of a model on its devices. `block_bytes`: per state group, on one device."""

    @property
    def windows_tokens(self) -> Sequence[int | None]: ...
    @property
    def block_bytes(self) -> Sequence[int]: ...
    @property
    def host_link(self) -> Link: ...
    @property
    def costs(self) -> ServingCosts: ...
    @property
    def speculation(self) -> Speculation | None: ...


Ended = Callable[[StepResult], object]
"""Told of a step's result, at the time when it returns."""


@record
class Flight:
    """A step under way. `free_s`: when the devices are free again, not rounded as the loop's times are."""

    ended: Ended
    result: StepResult
    seconds: float
    free_s: float
    timer: Handle


@record
class LookAhead:
    """Steps that will return, in their order: first those in flight, then plain ones, each planned when the first of
    those before it returns. `tokens`: what each of them brings, by row."""

    ends_s: list[float]
    seconds: list[float]
    free_s: list[float]
    tokens: Sequence[int]


class SimulatedExecutor:
    """A `ServingExecutor` in virtual time.

    A step begins when the one before it has ended and takes what `ServingCosts` say, the host's overhead included, and
    more where sequences begin with it, or nothing or a prompt ran before it. It needs the tokens of the step before, so
    the stages of a pipeline do not overlap steps. Transfers run beside the steps, one after the other in each direction
    of the host's link; every device moves its own part. An output ends with the token that `output_tokens` says, by
    request id, for each of its samples; nobody else may read that.

    With a draft model a step begins with that one's passes. `seed` says which of its guesses are right, and what a beam
    search chooses from.

    `num_steps`, `busy_s`: of the steps that have ended. `slowdown`: steps that begin from now on take so many times as
    long; where a `CoastingDriver` plans steps ahead, tell that instead. Raises `ConfigurationError` for a depth below
    1.
    """

    numeric_fingerprint = NUMERIC_FINGERPRINT

    def __init__(
        self, model: ServedModel, output_tokens: Mapping[str, Sequence[int]], depth: int = 2, seed: int = 0
    ) -> None:
        if depth < 1:
            raise ConfigurationError(f"depth is {depth}; it must be at least 1")
        self.depth = depth
        self.slowdown = 1.0
        self.busy_s = 0.0
        self.num_steps = 0
        self._model, self._costs = model, model.costs
        drafts = model.speculation
        luck = None if drafts is None else Luck(drafts.options.acceptance_rate, seed)
        wanted = model.costs.pads_decodes, model.costs.wants_longest
        self._rows = SimulatedRows(output_tokens, model.windows_tokens, luck, NextTokens(seed), *wanted)
        self._draft_passes = None if drafts is None else DraftPasses(drafts)
        self._agenda, self._loop = running_agenda(), asyncio.get_running_loop()
        self._flights: deque[Flight] = deque()
        self._free_s = 0.0
        self._link_free_s: dict[Tier, float] = {}
        self._aftermath = PromptAftermath(model.costs)

    @property
    def joules(self) -> float | None:
        """What the devices drew at most in the steps that have ended; None where no source states their power."""
        return self._model.costs.joules(self.busy_s, self.num_steps)

    def submit(self, work: Step) -> asyncio.Future[StepResult]:
        """Complete `work` after the steps before it."""
        future: asyncio.Future[StepResult] = self._loop.create_future()
        self.begin(work, partial(_arrive, future))
        return future

    def begin(self, work: Step, ended: Ended) -> None:
        """As `submit`, but tell `ended` what came of it."""
        if len(self._flights) >= self.depth:
            raise InvariantViolation(
                "depth", f"step {work.number} comes on top of {len(self._flights)} in flight"
            )
        applied = self._rows.apply(work)
        seconds = applied.seconds(self._costs)
        if work.added:
            seconds += self._costs.admission_s * len(work.added)
        seconds += self._aftermath.begin(applied)
        if self._draft_passes is not None:
            seconds += self._draft_passes.seconds(work, applied.verified)
        now_s = self._agenda.now_s
        idle_s = now_s - self._free_s
        if idle_s > AT_ONCE_S:
            seconds += self._costs.waking_seconds(idle_s)
        seconds *= self.slowdown
        self._free_s = (self._free_s if self._free_s > now_s else now_s) + seconds
        result = StepResult(
            work.number, self._rows.tokens, applied.finished, applied.verified, applied.candidates
        )
        self._start(result, seconds, self._free_s, ended)

    def _start(self, result: StepResult, seconds: float, free_s: float, ended: Ended) -> None:
        timer = self._agenda.call_at(free_s, self._complete)
        self._flights.append(Flight(ended, result, seconds, free_s, timer))

    def _complete(self) -> None:
        flight = self._flights.popleft()
        self.num_steps += 1
        self.busy_s += flight.seconds
        self._rows.returned_step = flight.result.number
        flight.ended(flight.result)

    def num_plain_steps(self, most: int) -> int:
        """How many more steps, up to `most`, can be planned in which, as in those under way, no output ends."""
        for flight in self._flights:
            if flight.result.finished:
                return 0
        return self._rows.num_plain_steps(most)

    def look_ahead(self, num_steps: int) -> LookAhead:
        """What returns if so many more plain steps are planned, at most `num_plain_steps`."""
        ends_s = [flight.timer.when_s for flight in self._flights]
        seconds = [flight.seconds for flight in self._flights]
        free_s = [flight.free_s for flight in self._flights]
        plain = self._rows.plain_steps()
        planned_s = self._model.costs.decode_seconds(
            plain.num_decodes, plain.visible_tokens, plain.per_step, num_steps, plain.longest_tokens
        )
        self._aftermath.add_to(planned_s, plain.num_decodes)
        seconds += planned_s if self.slowdown == 1.0 else [each * self.slowdown for each in planned_s]
        end_s = free_s[-1]
        for planned, step_s in enumerate(seconds[len(self._flights) :]):
            begun_s = ends_s[planned]
            end_s = (end_s if end_s > begun_s else begun_s) + step_s
            free_s.append(end_s)
            ends_s.append(round(end_s * 1e9) / 1e9)
        return LookAhead(ends_s, seconds, free_s, self._rows.tokens)

    def pause(self) -> None:
        """Let nothing return until `skip`: what is in flight is known from `look_ahead`."""
        for flight in self._flights:
            flight.timer.cancel()

    def skip(self, ahead: LookAhead, num_steps: int, ended: Ended) -> None:
        """The first so many of the steps looked ahead at have returned, and as many have been planned. Of those in
        flight now `ended` is told, and nobody else."""
        first, in_flight = self._flights[0].result.number, len(self._flights)
        self._flights.clear()
        self._rows.skip(num_steps)
        self._aftermath.skip(num_steps)
        self.num_steps += num_steps
        busy_s = self.busy_s
        for seconds in ahead.seconds[:num_steps]:
            busy_s += seconds
        self.busy_s = busy_s
        now_in_flight = range(num_steps, num_steps + in_flight)
        self._free_s = ahead.free_s[now_in_flight[-1]]
        for index in now_in_flight:
            result = StepResult(first + index, ahead.tokens)
            self._start(result, ahead.seconds[index], ahead.free_s[index], ended)

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
        begin_s = max(self._agenda.now_s, self._link_free_s.get(transfer.source, 0.0))
        end_s = self._link_free_s[transfer.source] = begin_s + self._model.host_link.seconds(num_bytes)
        future: asyncio.Future[TransferResult] = self._loop.create_future()
        result = TransferResult(transfer.transfer_id, checksum=transfer.expected_checksum or 0)
        self._agenda.call_at(end_s, _arrive, (future, result))
        return future

    async def update_weights(self, version: int, source: str) -> None:
        """Takes no time: what new weights cost is not simulated."""

    async def forget_rows(self) -> None:
        """Give up every row."""
        self._rows.forget()


def _arrive(future: asyncio.Future[Arrived], result: Arrived) -> None:
    if not future.done():
        future.set_result(result)
