"""What became of every request of a simulation, one row each, in columns that stay small."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from math import nan
from typing import Any

from weft.contracts.events import ENDS, PrefixLookup, RequestArrived, Status, Transition
from weft.observation.event_log import EventLog
from weft.observation.instruments import OTHER
from weft.simulator.request_outcome import RequestOutcome

NO_REPLICA = -1
MOST_REASONS = 64
"""Reasons may contain free text; beyond so many different ones the rest is "other"."""


class RequestTable:
    """Columns of equal length, in the order in which requests ended; about 75 bytes per request.

    Times are seconds from the beginning of the run; `first_token_s` is NaN where there was no output. `session`,
    `turn`: which request of the workload. `replica`: `NO_REPLICA` where it was refused before it reached one.
    `cached_tokens`: of the prompt, found in the prefix cache when it first ran. `preemptions`: how often it lost its
    place. `status_codes`, `reason_codes`: see `status` and `reason`.
    """

    def __init__(self) -> None:
        self.session: array[int] = array("q")
        self.turn: array[int] = array("i")
        self.replica: array[int] = array("i")
        self.status_codes: array[int] = array("b")
        self.reason_codes: array[int] = array("b")
        self.arrival_s: array[float] = array("d")
        self.first_token_s: array[float] = array("d")
        self.end_s: array[float] = array("d")
        self.prompt_tokens: array[int] = array("q")
        self.output_tokens: array[int] = array("q")
        self.cached_tokens: array[int] = array("q")
        self.preemptions: array[int] = array("i")
        self.reasons: list[str] = []

    def __len__(self) -> int:
        return len(self.arrival_s)

    def __eq__(self, other: object) -> bool:
        """Bit by bit, so that what has no first token is equal too."""
        if not isinstance(other, RequestTable) or self.reasons != other.reasons:
            return False
        mine, theirs = self.columns(), other.columns()
        return all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def columns(self) -> "dict[str, array[Any]]":
        """All columns by name."""
        return {name: column for name, column in vars(self).items() if isinstance(column, array)}

    def status(self, row: int) -> Status:
        """How the request of this row ended."""
        return ENDS[self.status_codes[row]]

    def reason(self, row: int) -> str:
        """Why it ended so."""
        return self.reasons[self.reason_codes[row]]

    def answered(self) -> Iterator[int]:
        """The rows that latencies count: finished, with output."""
        finished = ENDS.index(Status.FINISHED)
        for row, (code, tokens) in enumerate(zip(self.status_codes, self.output_tokens, strict=True)):
            if code == finished and tokens:
                yield row

    def add(self, outcome: RequestOutcome, replica: int, cached_tokens: int, preemptions: int) -> None:
        """One more row."""
        session, _, turn = outcome.request_id.partition(".")
        self.session.append(int(session))
        self.turn.append(int(turn))
        self.replica.append(replica)
        self.status_codes.append(ENDS.index(outcome.status))
        self.reason_codes.append(self._reason_code(outcome.reason))
        self.arrival_s.append(outcome.arrival_s)
        self.first_token_s.append(nan if outcome.first_token_s is None else outcome.first_token_s)
        self.end_s.append(outcome.ended_s)
        self.prompt_tokens.append(outcome.prompt_tokens)
        self.output_tokens.append(outcome.output_tokens)
        self.cached_tokens.append(cached_tokens)
        self.preemptions.append(preemptions)

    def _reason_code(self, reason: str) -> int:
        if reason not in self.reasons:
            if len(self.reasons) >= MOST_REASONS:
                reason = OTHER
            if reason not in self.reasons:
                self.reasons.append(reason)
        return self.reasons.index(reason)


class RequestRecorder:
    """Fills a table from the logs of replicas and from how requests end."""

    def __init__(self) -> None:
        self.table = RequestTable()
        self._under_way: dict[str, _Facts] = {}

    def watch(self, replica: int, log: EventLog) -> None:
        """Follow the log of a replica from now on."""

        def on_arrival(event: RequestArrived) -> None:
            self._under_way[event.request_id] = _Facts(replica)

        log.subscribe(on_arrival, RequestArrived)
        log.subscribe(self._on_lookup, PrefixLookup)
        log.subscribe(self._on_transition, Transition)

    def observe(self, outcome: RequestOutcome) -> None:
        """A request has ended."""
        facts = self._under_way.pop(outcome.request_id, None) or _Facts(NO_REPLICA)
        self.table.add(outcome, facts.replica, facts.cached_tokens or 0, facts.preemptions)

    def _on_lookup(self, event: PrefixLookup) -> None:
        """Later ones, after a preemption, find what the request itself computed."""
        facts = self._under_way[event.request_id]
        if facts.cached_tokens is None:
            facts.cached_tokens = event.hit_tokens

    def _on_transition(self, event: Transition) -> None:
        if event.after is Status.PREEMPTED and event.before is Status.RUNNING:
            self._under_way[event.request_id].preemptions += 1


@dataclass(slots=True)
class _Facts:
    """What only the log tells of a request under way."""

    replica: int
    cached_tokens: int | None = None
    preemptions: int = 0
