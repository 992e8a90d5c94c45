"""What one simulated replica did, folded from its events as they pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.contracts.events import (
    DraftVerified,
    FirstToken,
    PrefixLookup,
    Status,
    StepRecord,
    StepRun,
    Transition,
)
from weft.observation.event_log import EventLog
from weft.observation.instruments import Histogram
from weft.observation.token_intervals import TokenIntervals


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """Figures of one replica.

    `busy_s`: how long steps ran, their host overhead included. `joules`: of its devices in that time, None where no
    source states their power. `kv_usage_mean` (over time) and `kv_usage_peak`: the share of blocks in use after a
    step. `prefix_queried_tokens`, `prefix_hit_tokens`: of sequences about to run, how much was looked for and found.
    `drafts`: that were verified; `drafted_tokens` in them, of which `accepted_tokens` were right.
    """

    num_requests: int
    num_steps: int
    num_events: int
    busy_s: float
    joules: float | None
    kv_usage_mean: float
    kv_usage_peak: float
    preemptions: int
    prefix_queried_tokens: int
    prefix_hit_tokens: int
    drafts: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


ALIKE = 2e-3
"""Gaps of steps that only decode grow steadily; where the last is within this share of the first, so are all between
them. It is half of the error of the quantiles that are made of them."""


class TokenGaps(Histogram):
    """Keeps what it is told until it is taken, for whoever counts it."""

    __slots__ = ("_gaps",)

    def __init__(self) -> None:
        super().__init__((1.0,))
        self._gaps: list[tuple[float, int]] = []

    def observe(self, value: float, count: int = 1) -> None:
        """A gap in seconds, which occurred `count` times."""
        self._gaps.append((value, count))

    def observe_gaps(self, times_s: Sequence[float], count: int = 1) -> None:
        """The mean of those next to each other that nobody could tell apart, as often."""
        num_gaps = len(times_s) - 1
        first_s, last_s = times_s[1] - times_s[0], times_s[-1] - times_s[-2]
        if num_gaps == 1 or abs(last_s - first_s) < ALIKE * first_s:
            self.observe((times_s[-1] - times_s[0]) / num_gaps, num_gaps * count)
        else:
            middle = num_gaps // 2
            self.observe_gaps(times_s[: middle + 1], count)
            self.observe_gaps(times_s[middle:], count)

    def take(self) -> list[tuple[float, int]]:
        """All since the last call."""
        taken, self._gaps = self._gaps, []
        return taken


class ReplicaFigures:
    """Follows one engine's log. `first_token_s`: by request id, until somebody takes it away."""

    def __init__(self, log: EventLog, num_blocks: int) -> None:
        self.first_token_s: dict[str, float] = {}
        self.gaps = TokenGaps()
        self.preemptions = self.prefix_queried_tokens = self.prefix_hit_tokens = 0
        self.drafts = self.drafted_tokens = self.accepted_tokens = 0
        self._intervals = TokenIntervals(self.gaps)
        self._num_blocks = num_blocks
        self._block_seconds = self._since_s = 0.0
        self._used_blocks = self._most_blocks = 0
        log.subscribe(self._on_transition, Transition)
        log.subscribe_steps(self._on_step, self._on_run)
        log.subscribe(self._on_first_token, FirstToken)
        log.subscribe(self._on_lookup, PrefixLookup)
        log.subscribe(self._on_draft, DraftVerified)

    def kv_usage(self, now_s: float) -> tuple[float, float]:
        """Mean from time 0 on, and peak."""
        block_seconds = self._block_seconds + self._used_blocks * (now_s - self._since_s)
        mean = block_seconds / now_s if now_s else 0.0
        return mean / self._num_blocks, self._most_blocks / self._num_blocks

    def note_empty(self, now_s: float) -> None:
        """Its devices were lost, with all blocks."""
        self._use(now_s, 0)

    def _on_transition(self, event: Transition) -> None:
        self._intervals.on_transition(event)
        if event.after is Status.PREEMPTED and event.before is Status.RUNNING:
            self.preemptions += 1

    def _on_step(self, record: StepRecord) -> None:
        self._intervals.on_step(record)
        self._use(record.time_s, record.used_blocks)

    def _on_run(self, run: StepRun) -> None:
        self._intervals.on_run(run)
        for index, used_blocks in run.used_blocks:
            self._use(run.times_s[index], used_blocks)

    def _use(self, since_s: float, used_blocks: int) -> None:
        if used_blocks != self._used_blocks:
            self._block_seconds += self._used_blocks * (since_s - self._since_s)
            self._since_s, self._used_blocks = since_s, used_blocks
            self._most_blocks = max(self._most_blocks, used_blocks)

    def _on_first_token(self, event: FirstToken) -> None:
        self.first_token_s[event.request_id] = event.time_s

    def _on_lookup(self, event: PrefixLookup) -> None:
        self.prefix_queried_tokens += event.queried_tokens
        self.prefix_hit_tokens += event.hit_tokens

    def _on_draft(self, event: DraftVerified) -> None:
        self.drafts += 1
        self.drafted_tokens += event.num_drafted
        self.accepted_tokens += event.num_accepted
