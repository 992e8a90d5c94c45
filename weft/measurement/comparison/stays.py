"""When requests ran, from the event log: what their readers saw of it."""

from collections.abc import Sequence
from typing import NamedTuple

from weft.contracts.events import ENDS, PrefixLookup, RequestArrived, Status, Transition
from weft.observation.event_log import EventLog
from weft.policies.experience import Expectation, Reading
from weft.simulator.request_outcome import RequestOutcome


class Stay(NamedTuple):
    """A time during which a sequence ran."""

    begun_s: float
    ended_s: float


class Stays:
    """Of the first sequence of each request. `tenants`: by request."""

    def __init__(self) -> None:
        self.tenants: dict[str, str] = {}
        self._first: dict[str, int] = {}
        self._begun_s: dict[str, float] = {}
        self._stays: dict[str, list[Stay]] = {}
        self._looked_up: dict[str, tuple[int, int]] = {}

    def watch(self, replica: int, log: EventLog) -> None:
        """Follow a replica's log."""
        log.subscribe(self._on_arrival, RequestArrived)
        log.subscribe(self._on_transition, Transition)
        log.subscribe(self._on_lookup, PrefixLookup)

    def _on_arrival(self, event: RequestArrived) -> None:
        self.tenants[event.request_id] = event.tenant

    def _on_transition(self, event: Transition) -> None:
        name = event.request_id
        if self._first.setdefault(name, event.sequence_number) != event.sequence_number:
            return
        if event.after is Status.RUNNING:
            self._begun_s.setdefault(name, event.time_s)
        elif (
            event.after in (Status.PREEMPTED, *ENDS)
            and (begun_s := self._begun_s.pop(name, None)) is not None
        ):
            self._stays.setdefault(name, []).append(Stay(begun_s, event.time_s))

    def _on_lookup(self, event: PrefixLookup) -> None:
        queried, hits = self._looked_up.get(event.request_id, (0, 0))
        self._looked_up[event.request_id] = (queried + event.queried_tokens, hits + event.hit_tokens)

    def cached_share(self, request_ids: Sequence[str]) -> float:
        """Of the tokens of these requests' sequences about to run, those whose state was found in the cache."""
        found = [self._looked_up.get(each, (0, 0)) for each in request_ids]
        queried = sum(each[0] for each in found)
        return sum(each[1] for each in found) / queried if queried else 0.0

    def quality(self, outcome: RequestOutcome, expected: Expectation) -> float:
        """What the reader of an answer experienced; its tokens came evenly while it ran, from the first one on."""
        if outcome.first_token_s is None:
            return 0.0
        first_s, speed = outcome.first_token_s, expected.tokens_per_s
        stays = [
            Stay(max(first_s, begun_s), ended_s)
            for begun_s, ended_s in self._stays.get(outcome.request_id, ())
            if ended_s > first_s
        ]
        ran_s = sum(ended_s - begun_s for begun_s, ended_s in stays)
        per_s = (outcome.output_tokens - 1) / ran_s if ran_s else 0.0
        reading, arrived = Reading().advanced(first_s - outcome.arrival_s, 0.0, speed), 1.0
        for begun_s, ended_s in stays:
            reading = reading.advanced(begun_s - outcome.arrival_s, arrived, speed)
            arrived += per_s * (ended_s - begun_s)
            reading = reading.advanced(ended_s - outcome.arrival_s, arrived, speed)
        return reading.advanced(outcome.ended_s - outcome.arrival_s, arrived, speed).quality(expected)
