"""The story of one request, told from the events of its engine."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from weft.contracts.errors import WeftError
from weft.contracts.events import (
    ENDS,
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

BEFORE_LOG = "before the log begins"


class UnknownRequest(WeftError):
    """No event in the log is about the request."""


class Wait(NamedTuple):
    """What kept a sequence from running, from one time to another (None: to the end of the log)."""

    from_s: float
    to_s: float | None
    reason: str


class Span(NamedTuple):
    """A sequence's stay in one status, and why it entered it; `to_s` is None where the log ends in it."""

    sequence_number: int
    status: Status
    from_s: float
    to_s: float | None
    reason: str
    waits: tuple[Wait, ...] = ()


class ComputedStep(NamedTuple):
    """A sequence's part in a step: units from `start` (None while it stood); whether a token came of it."""

    number: int
    time_s: float
    sequence_number: int
    start: int | None
    num_units: int
    emits: bool


class TokenTime(NamedTuple):
    """One output token of a sequence became known."""

    time_s: float
    sequence_number: int


class TransferSpan(NamedTuple):
    """A movement of a sequence's blocks; `to_s` is None where it had not ended."""

    transfer_id: int
    kind: TransferKind
    sequence_number: int
    num_blocks: int
    from_s: float
    to_s: float | None = None
    error: str | None = None


class RequestTimeline(NamedTuple):
    """All that the events tell of a request, each part in order of time.

    `arrival`, `first_token` and `end` are None where they are not in the log. Where the arrival is not, the
    log begins in the midst of the request, and steps and tokens are complete only for sequences that joined
    the standing ones later. Those that an output got after the token with which its client ended it are among
    them. `preemptions`: running sequences lost their place. `ends`: the sequences' ends.
    """

    request_id: str
    arrival: RequestArrived | None
    spans: tuple[Span, ...]
    prefix_lookups: tuple[PrefixLookup, ...]
    steps: tuple[ComputedStep, ...]
    token_times: tuple[TokenTime, ...]
    drafts: tuple[DraftVerified, ...]
    preemptions: tuple[Transition, ...]
    transfers: tuple[TransferSpan, ...]
    first_token: FirstToken | None
    ends: tuple[Transition, ...]
    end: RequestEnded | None

    @property
    def preempted_s(self) -> float:
        """Sequence seconds from losing a place to running again, as far as they are over."""
        lost = (Status.PREEMPTED, Status.BLOCKED)
        return sum(
            span.to_s - span.from_s for span in self.spans if span.status in lost and span.to_s is not None
        )


def timeline(events: Iterable[Event], request_id: str) -> RequestTimeline:
    """Gather what happened to a request; events of other requests may be among them.

    Raises UnknownRequest where none is about it.
    """
    log = list(events)
    own = [event for event in log if getattr(event, "request_id", None) == request_id]
    if not own:
        raise UnknownRequest(f"no event is about request {request_id!r}; check the id, or keep a longer log")
    numbers = {event.sequence_number: None for event in own if isinstance(event, _OF_SEQUENCE)}
    transitions = [event for event in own if isinstance(event, Transition)]
    ends = tuple(event for event in transitions if event.after in ENDS)
    drafts = tuple(event for event in own if isinstance(event, DraftVerified))
    steps = _computed_steps(log, tuple(numbers))
    return RequestTimeline(
        request_id,
        next((event for event in own if isinstance(event, RequestArrived)), None),
        tuple(_spans(own, log[0].time_s)),
        tuple(event for event in own if isinstance(event, PrefixLookup)),
        tuple(steps),
        tuple(_token_times(steps, drafts)),
        drafts,
        tuple(
            event
            for event in transitions
            if event.after is Status.PREEMPTED and event.before is Status.RUNNING
        ),
        tuple(_transfers(log, tuple(numbers))),
        next((event for event in own if isinstance(event, FirstToken)), None),
        ends,
        next((event for event in own if isinstance(event, RequestEnded)), None),
    )


_OF_SEQUENCE = (Transition, WaitReason, PrefixLookup, DraftVerified)


def _spans(own: Iterable[Event], log_begin_s: float) -> list[Span]:
    spans: list[Span] = []
    open_index: dict[int, int] = {}
    for event in own:
        if isinstance(event, Transition):
            _change_status(spans, open_index, event, log_begin_s)
        elif isinstance(event, WaitReason):
            number = event.sequence_number
            if number not in open_index:
                open_index[number] = len(spans)
                spans.append(Span(number, Status.WAITING, log_begin_s, None, BEFORE_LOG))
            span = spans[open_index[number]]
            waits = _end_last_wait(span.waits, event.time_s)
            spans[open_index[number]] = span._replace(waits=(*waits, Wait(event.time_s, None, event.reason)))
    return spans


def _change_status(
    spans: list[Span], open_index: dict[int, int], event: Transition, log_begin_s: float
) -> None:
    number = event.sequence_number
    index = open_index.pop(number, None)
    if index is not None:
        waits = _end_last_wait(spans[index].waits, event.time_s)
        # A span that was guessed from a wait reason learns here what its status was.
        status = event.before or spans[index].status
        spans[index] = spans[index]._replace(status=status, to_s=event.time_s, waits=waits)
    elif event.before is not None:
        spans.append(Span(number, event.before, log_begin_s, event.time_s, BEFORE_LOG))
    if event.after not in ENDS:
        open_index[number] = len(spans)
        spans.append(Span(number, event.after, event.time_s, None, event.reason))


def _end_last_wait(waits: tuple[Wait, ...], time_s: float) -> tuple[Wait, ...]:
    return (*waits[:-1], waits[-1]._replace(to_s=time_s)) if waits else ()


def _computed_steps(log: Iterable[Event], numbers: Sequence[int]) -> list[ComputedStep]:
    """The sequences' steps; what was under way when a sequence ended is discarded."""
    steps: list[ComputedStep] = []
    standing: dict[int, None] = {}
    ends: dict[int, Transition] = {}
    gone: dict[int, Transition] = {}
    for event in log:
        if isinstance(event, Transition) and event.after in ENDS and event.sequence_number in numbers:
            ends[event.sequence_number] = event
        elif isinstance(event, StepRecord):
            for number in event.left:
                standing.pop(number, None)
            for step in () if event.failed else _parts_of_step(event, numbers, standing):
                number = step.sequence_number
                if number not in gone and _is_received(step, ends.get(number)):
                    steps.append(step)
            gone |= ends
            ends = {}
    return steps


def _is_received(step: ComputedStep, end: Transition | None) -> bool:
    """A step may bring the end of its sequence, told before the step; a failed one brought nothing else."""
    return end is None or (step.time_s == end.time_s and end.after is not Status.FAILED)


def _parts_of_step(
    record: StepRecord, numbers: Sequence[int], standing: dict[int, None]
) -> list[ComputedStep]:
    parts: list[ComputedStep] = []
    if record.num_standing:
        parts += [ComputedStep(record.number, record.time_s, each, None, 1, True) for each in standing]
    for units in record.explicit:
        number = units.sequence_number
        if number in numbers:
            parts.append(
                ComputedStep(record.number, record.time_s, number, units.start, units.num_units, units.emits)
            )
            if units.stands:
                standing[number] = None
    return parts


def _token_times(steps: Iterable[ComputedStep], drafts: Iterable[DraftVerified]) -> list[TokenTime]:
    times = [TokenTime(step.time_s, step.sequence_number) for step in steps if step.emits]
    for draft in drafts:
        times += [TokenTime(draft.time_s, draft.sequence_number)] * draft.num_accepted
    return sorted(times)


def _transfers(log: Iterable[Event], numbers: Sequence[int]) -> list[TransferSpan]:
    transfers: dict[int, TransferSpan] = {}
    for event in log:
        if isinstance(event, TransferStarted) and event.sequence_number in numbers:
            transfers[event.transfer_id] = TransferSpan(
                event.transfer_id, event.kind, event.sequence_number, event.num_blocks, event.time_s
            )
        elif isinstance(event, TransferEnded) and event.transfer_id in transfers:
            started = transfers[event.transfer_id]
            transfers[event.transfer_id] = started._replace(to_s=event.time_s, error=event.error)
    return list(transfers.values())
