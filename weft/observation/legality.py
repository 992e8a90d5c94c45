"""The life of requests, sequences and steps as an automaton that every event is held against."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from weft.contracts.errors import InvariantViolation
from weft.contracts.events import (
    ENDS,
    LEGAL_TRANSITIONS,
    DraftVerified,
    Event,
    FirstToken,
    PrefixLookup,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    Transition,
    WaitReason,
)

MOST_NAMED_REQUESTS = 20


class _Tracked(NamedTuple):
    """Where a sequence was last."""

    request_id: str
    status: Status


class LegalityChecker:
    """A handler of all events that raises InvariantViolation at the first that cannot be.

    The violations' names: `time_forward` (an event before its predecessor), `step_order` (a step's number is
    not one above the last), `arrives_once` (a request arrives again before it has ended, or something
    happens to one that never arrived), `legal_transition` (a status change that is not in the contract's
    table, does not start where the sequence was, or moves a sequence of another request), `ends_once`
    (something happens after the end,
    or a request ends while a sequence of it has not).

    `transition_counts` counts every (before, after) seen, 0 for the others. Everything that ever arrived is
    remembered, so use it in tests and campaigns rather than for months of serving.
    """

    def __init__(self) -> None:
        self.transition_counts: Counter[tuple[Status | None, Status]] = Counter()
        self._time_s = float("-inf")
        self._step_number: int | None = None
        self._sequences: dict[int, _Tracked] = {}
        self._unfinished: dict[str, list[int]] = {}
        self._ended: dict[str, RequestEnded] = {}
        self._checks: dict[type, Callable[[Any], None]] = {
            RequestArrived: self._on_arrival,
            Transition: self._on_transition,
            WaitReason: self._on_sequence_event,
            PrefixLookup: self._on_sequence_event,
            DraftVerified: self._on_sequence_event,
            FirstToken: self._require_unfinished,
            StepRecord: self._on_step,
            RequestEnded: self._on_request_ended,
        }

    def __call__(self, event: Event) -> None:
        """Check one event; raises InvariantViolation."""
        if not event.time_s >= self._time_s:
            raise InvariantViolation("time_forward", f"{event} comes after {self._time_s} s")
        self._time_s = event.time_s
        check = self._checks.get(type(event))
        if check is not None:
            check(event)

    def finish(self) -> None:
        """The run is over: raises InvariantViolation("ends_once") where a request never ended."""
        if self._unfinished:
            names = [*self._unfinished]
            more = f" and {len(names) - MOST_NAMED_REQUESTS} more" if len(names) > MOST_NAMED_REQUESTS else ""
            named = ", ".join(repr(name) for name in names[:MOST_NAMED_REQUESTS])
            raise InvariantViolation("ends_once", f"{len(names)} requests never ended: {named}{more}")

    def _on_arrival(self, event: RequestArrived) -> None:
        if event.request_id in self._unfinished:
            raise InvariantViolation("arrives_once", f"{event}: it arrived before and has not ended")
        self._ended.pop(event.request_id, None)
        self._unfinished[event.request_id] = []

    def _require_unfinished(
        self, event: FirstToken | WaitReason | PrefixLookup | DraftVerified | Transition
    ) -> None:
        if event.request_id in self._ended:
            raise InvariantViolation("ends_once", f"{event} comes after {self._ended[event.request_id]}")
        if event.request_id not in self._unfinished:
            raise InvariantViolation("arrives_once", f"{event}: the request never arrived")

    def _on_sequence_event(self, event: WaitReason | PrefixLookup | DraftVerified | Transition) -> None:
        self._require_unfinished(event)
        tracked = self._sequences.get(event.sequence_number)
        if tracked is None:
            return
        if tracked.request_id != event.request_id:
            raise InvariantViolation(
                "legal_transition", f"{event}: the sequence belongs to request {tracked.request_id!r}"
            )
        if tracked.status in ENDS:
            raise InvariantViolation("ends_once", f"{event}: the sequence is {tracked.status.value} already")

    def _on_transition(self, event: Transition) -> None:
        self._on_sequence_event(event)
        tracked = self._sequences.get(event.sequence_number)
        status = tracked.status if tracked else None
        if event.before is not status:
            was = status.value if status else "new"
            raise InvariantViolation("legal_transition", f"{event}: the sequence was {was}")
        allowed = LEGAL_TRANSITIONS[event.before]
        if event.after not in allowed:
            values = ", ".join(each.value for each in allowed)
            raise InvariantViolation("legal_transition", f"{event}: allowed next are {values}")
        if tracked is None:
            self._unfinished[event.request_id].append(event.sequence_number)
        self._sequences[event.sequence_number] = _Tracked(event.request_id, event.after)
        self.transition_counts[event.before, event.after] += 1

    def _on_step(self, event: StepRecord) -> None:
        last = self._step_number
        if last is not None and event.number != last + 1:
            raise InvariantViolation("step_order", f"step {event.number} comes after step {last}")
        self._step_number = event.number

    def _on_request_ended(self, event: RequestEnded) -> None:
        if event.request_id in self._ended:
            raise InvariantViolation("ends_once", f"{event} comes after {self._ended[event.request_id]}")
        numbers = self._unfinished.pop(event.request_id, None)
        if numbers is None:
            raise InvariantViolation("arrives_once", f"{event}: the request never arrived")
        if event.status not in ENDS:
            raise InvariantViolation("ends_once", f"{event}: {event.status.value} is not an end")
        for number in numbers:
            status = self._sequences[number].status
            if status not in ENDS:
                raise InvariantViolation("ends_once", f"{event}: sequence {number} is still {status.value}")
        self._ended[event.request_id] = event
