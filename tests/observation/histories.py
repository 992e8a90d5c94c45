"""Random but legal histories of an engine, with the truth about when each sequence got its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from weft.contracts.events import (
    ComputedUnits,
    DraftVerified,
    Event,
    FirstToken,
    PrefixLookup,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    TransferEnded,
    TransferStarted,
    Transition,
    WaitReason,
)
from weft.contracts.transfers import TransferKind


@dataclass
class Output:
    """A sequence in the making; `chunks`: explicit entries still to come before it stands."""

    number: int
    request_id: str
    status: Status
    chunks: int
    stands: bool = False
    num_drafts: int = 0
    token_times: list[float] = field(default_factory=list)


class History:
    """Plays `num_steps` steps and then ends everything.

    `ends_first`: what a step brought about is recorded before the step itself.
    """

    def __init__(self, seed: int, num_steps: int = 40, ends_first: bool = False) -> None:
        self.events: list[Event] = []
        self.outputs: list[Output] = []
        self.num_requests = 0
        self._random = Random(seed)
        self._time_ns = 0
        self._left: list[int] = []
        self._ends_first = ends_first
        for number in range(num_steps):
            self._play(number)
        for output in self._alive():
            self._end(output, Status.CANCELLED)
        self._end_requests()

    @property
    def time_s(self) -> float:
        return self._time_ns / 1e9

    def of(self, request_id: str) -> list[Output]:
        return [output for output in self.outputs if output.request_id == request_id]

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _alive(self, *statuses: Status) -> list[Output]:
        wanted = statuses or (Status.WAITING, Status.RUNNING, Status.BLOCKED, Status.PREEMPTED)
        return [output for output in self.outputs if output.status in wanted]

    def _move(self, output: Output, after: Status, reason: str) -> None:
        self.events.append(
            Transition(self.time_s, output.request_id, output.number, output.status, after, reason)
        )
        output.status = after

    def _play(self, number: int) -> None:
        self._time_ns += self._random.randrange(0, 5_000_000)
        if self._chance(0.4):
            self._arrive()
        for output in self._alive():
            self._disturb(output)
        planned_s = self.time_s
        self._time_ns += self._random.randrange(1, 50_000_000)
        step, happened = self._step(number, planned_s)
        before_step = len(self.events)
        self.events += happened
        for output in self._alive(Status.RUNNING):
            if output.token_times and output.token_times[-1] == self.time_s and self._chance(0.15):
                self._end(output, Status.FINISHED)
        self._end_requests()
        self.events.insert(len(self.events) if self._ends_first else before_step, step)

    def _arrive(self) -> None:
        request_id = f"request-{self.num_requests}"
        self.num_requests += 1
        self.events.append(RequestArrived(self.time_s, request_id, "tenant", 100, 50))
        rejected = self._chance(0.1)
        status, reason = (Status.REJECTED, "queue full") if rejected else (Status.WAITING, "arrived")
        for _ in range(1 if rejected else self._random.randint(1, 2)):
            output = Output(len(self.outputs), request_id, status, self._random.randint(1, 3))
            self.outputs.append(output)
            self.events.append(Transition(self.time_s, request_id, output.number, None, status, reason))
        self._end_requests()

    def _disturb(self, output: Output) -> None:
        """Something may happen to a sequence between two steps."""
        request_id, number = output.request_id, output.number
        if output.status is not Status.RUNNING:
            if self._chance(0.5):
                self.events.append(PrefixLookup(self.time_s, request_id, number, 100, 32))
                self._move(output, Status.RUNNING, "admitted")
            else:
                self.events.append(WaitReason(self.time_s, request_id, number, "no free blocks"))
        elif self._chance(0.1):
            self._stop_standing(output)
            output.chunks = self._random.randint(1, 2)
            self._move(output, Status.PREEMPTED, "out of blocks")
            transfer_id = len(self.events)
            self.events.append(TransferStarted(self.time_s, transfer_id, TransferKind.SWAP_OUT, number, 3))
            self.events.append(TransferEnded(self.time_s, transfer_id, None))
        elif output.stands and self._chance(0.1):
            self._stop_standing(output)
            output.num_drafts = 3
        elif self._chance(0.03):
            self._end(output, Status.CANCELLED)

    def _stop_standing(self, output: Output) -> None:
        if output.stands:
            output.stands = False
            self._left.append(output.number)

    def _step(self, number: int, planned_s: float) -> tuple[StepRecord, list[Event]]:
        standing = [output for output in self._alive(Status.RUNNING) if output.stands]
        if self._chance(0.2):
            standing = []
        for output in standing:
            output.token_times.append(self.time_s)
        explicit, happened = [], list[Event]()
        for output in self._alive(Status.RUNNING):
            if not output.stands:
                explicit.append(self._compute(output, happened))
        left, self._left = tuple(self._left), []
        running, waiting = len(self._alive(Status.RUNNING)), len(self._alive(Status.WAITING))
        step = StepRecord(
            self.time_s,
            number,
            planned_s,
            len(standing) + sum(units.num_units for units in explicit),
            len(standing),
            tuple(explicit),
            left,
            running,
            waiting,
            3 * running,
        )
        return step, happened

    def _compute(self, output: Output, happened: list[Event]) -> ComputedUnits:
        output.chunks -= output.chunks > 0
        emits = output.chunks == 0
        if emits and not any(each.token_times for each in self.of(output.request_id)):
            happened.append(FirstToken(self.time_s, output.request_id))
        if emits and output.num_drafts:
            output.num_drafts -= 1
            accepted = self._random.randint(0, 3)
            happened.append(DraftVerified(self.time_s, output.request_id, output.number, 3, accepted))
            output.token_times += [self.time_s] * accepted
        if emits:
            output.token_times.append(self.time_s)
            output.stands = output.num_drafts == 0
        return ComputedUnits(output.number, 7, 4, emits, output.stands)

    def _end(self, output: Output, status: Status) -> None:
        self._stop_standing(output)
        legal = status is not Status.FINISHED or output.token_times
        self._move(output, status if legal else Status.CANCELLED, "stop" if legal else "gone")

    def _end_requests(self) -> None:
        ended = [event.request_id for event in self.events if isinstance(event, RequestEnded)]
        for index in range(self.num_requests):
            request_id = f"request-{index}"
            outputs = self.of(request_id)
            if request_id not in ended and outputs and not any(each in self._alive() for each in outputs):
                tokens = sum(len(each.token_times) for each in outputs)
                status = _common_end(outputs)
                self.events.append(RequestEnded(self.time_s, request_id, status, "over", tokens))


def _common_end(outputs: Sequence[Output]) -> Status:
    statuses = [output.status for output in outputs]
    return Status.FINISHED if Status.FINISHED in statuses else statuses[0]
