"""What happens, recorded once.

Everything else about the past (metrics, timelines, explanations, dashboards) is computed from these
records. Times are seconds on the event loop's clock.
"""

from collections.abc import Iterator, Sequence
from enum import Enum

from weft.contracts.record import record
from weft.contracts.transfers import TransferKind


class Status(Enum):
    """Where a sequence is in its life. The last four are ends."""

    WAITING = "waiting"
    RUNNING = "running"
    BLOCKED = "blocked"
    PREEMPTED = "preempted"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    FAILED = "failed"


ENDS = (Status.FINISHED, Status.CANCELLED, Status.REJECTED, Status.FAILED)

_W, _R, _B, _P = Status.WAITING, Status.RUNNING, Status.BLOCKED, Status.PREEMPTED
_F, _C, _J, _X = ENDS

LEGAL_TRANSITIONS: dict[Status | None, tuple[Status, ...]] = {
    None: (_W, _J),
    _W: (_R, _F, _C, _X),
    _R: (_P, _F, _C, _X),
    _B: (_R, _P, _F, _C, _X),
    _P: (_R, _B, _F, _C, _X),
    _F: (),
    _C: (),
    _J: (),
    _X: (),
}
"""The life of a sequence. None is before it exists: it begins waiting, or is rejected. A preempted one may
finish by a step that was already under way, and one in any status by its client's word once it has output; a waiting
one has that only where it came with output from elsewhere, and else never finishes without having run."""


@record
class RequestArrived:
    """A request reached the engine. `session`: of requests of one conversation; None: it says nothing of one."""

    time_s: float
    request_id: str
    tenant: str
    prompt_tokens: int
    max_tokens: int
    session: str | None = None


@record
class Transition:
    """A sequence changed status, and why."""

    time_s: float
    request_id: str
    sequence_number: int
    before: Status | None
    after: Status
    reason: str


@record
class WaitReason:
    """What keeps a sequence from running, or a running one from going on; recorded when it changes."""

    time_s: float
    request_id: str
    sequence_number: int
    reason: str


@record
class PrefixLookup:
    """A sequence was about to run and looked for cached state: of `queried_tokens`, `hit_tokens` were found."""

    time_s: float
    request_id: str
    sequence_number: int
    queried_tokens: int
    hit_tokens: int


@record
class FirstToken:
    """The first output token of a request is known."""

    time_s: float
    request_id: str


@record
class ComputedUnits:
    """Explicit work in a step: `num_units` units of a sequence from `start`; `stands`: one per step from then on."""

    sequence_number: int
    start: int
    num_units: int
    emits: bool
    stands: bool


@record
class StepRecord:
    """One step that is over. `num_standing` sequences computed a unit each without being listed; `left` no
    longer did so from this step on. `failed`: nothing was computed, and nobody got a token."""

    time_s: float
    number: int
    planned_s: float
    num_tokens: int
    num_standing: int
    explicit: tuple[ComputedUnits, ...]
    left: tuple[int, ...]
    num_running: int
    num_waiting: int
    used_blocks: int
    failed: bool = False


@record
class StepRun:
    """Consecutive steps of which there is nothing more to say than that all `num_standing` sequences computed a unit
    each, kept as one; `records` are theirs. `times_s`, `planned_s`: of each of them. `used_blocks`: how many, and from
    which of the steps on, at each change and at first."""

    first_number: int
    times_s: Sequence[float]
    planned_s: Sequence[float]
    num_standing: int
    num_running: int
    used_blocks: Sequence[tuple[int, int]]

    def records(self) -> Iterator[StepRecord]:
        """One for each step."""
        count, changes = self.num_standing, dict(self.used_blocks)
        used_blocks = 0
        for index, (time_s, planned_s) in enumerate(zip(self.times_s, self.planned_s, strict=True)):
            used_blocks = changes.get(index, used_blocks)
            number = self.first_number + index
            yield StepRecord(
                time_s, number, planned_s, count, count, (), (), self.num_running, 0, used_blocks
            )


@record
class DraftVerified:
    """A draft of `num_drafted` tokens was checked; `num_accepted` of them were right."""

    time_s: float
    request_id: str
    sequence_number: int
    num_drafted: int
    num_accepted: int


@record
class TransferStarted:
    """A movement of `num_blocks` blocks began."""

    time_s: float
    transfer_id: int
    kind: TransferKind
    sequence_number: int
    num_blocks: int


@record
class TransferEnded:
    """A movement of blocks ended; `error` is None where it succeeded."""

    time_s: float
    transfer_id: int
    error: str | None


@record
class WeightsUpdated:
    """From the next step on the model's weights are those of `version`."""

    time_s: float
    version: int


@record
class RequestEnded:
    """A request ended, exactly once, with all its sequences."""

    time_s: float
    request_id: str
    status: Status
    reason: str
    output_tokens: int


Event = (
    RequestArrived
    | Transition
    | WaitReason
    | PrefixLookup
    | FirstToken
    | StepRecord
    | DraftVerified
    | TransferStarted
    | TransferEnded
    | WeightsUpdated
    | RequestEnded
)
