"""Who gets a token when, told from step records at a cost per change, not per token."""

from weft.contracts.events import ENDS, Status, StepRecord, StepRun, Transition
from weft.observation.instruments import Histogram


class TokenIntervals:
    """Feeds a histogram with the seconds between each token of a sequence and its next.

    All standing sequences get a token in every record with `num_standing` above 0, so one observation
    serves them all: the time since the previous such record. Kept apart are only the sequences for which
    this is not so: those that have joined since then (their last token came from an explicit entry), those
    that do not stand (drafting, preempted), whose wait then counts in full, and those that have ended while
    a step with their next token was under way, which nobody gets.

    What is approximate: the tokens of one verified draft come at once and count as one interval, as in
    vLLM; in a search each step of each hypothesis counts as a token; a sequence that fails in the step of a
    token does not count as having got it. It must see the events from the beginning: a sequence whose
    beginning it has not seen counts only if it stood already, else like one that has ended.

    Memory is bounded by the sequences that have not ended or whose end no step has taken in yet.
    """

    __slots__ = ("_advanced_s", "_ended", "_fresh", "_ghosts", "_histogram", "_last_token_s", "_standing")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._advanced_s: float | None = None
        self._last_token_s: dict[int, float | None] = {}
        self._standing: dict[int, None] = {}
        self._fresh: dict[int, float | None] = {}
        self._ended: list[Transition] = []
        self._ghosts: dict[int, None] = {}

    @property
    def num_followed(self) -> int:
        """Sequences of which something is remembered."""
        ended = [event.sequence_number for event in self._ended]
        return len(dict.fromkeys((*self._last_token_s, *self._standing, *self._fresh, *self._ghosts, *ended)))

    def on_transition(self, event: Transition) -> None:
        """Follow which sequences exist."""
        if event.before is None:
            self._last_token_s[event.sequence_number] = None
        if event.after in ENDS:
            self._ended.append(event)

    def on_step(self, record: StepRecord) -> int:
        """Observe the intervals that end with this step; returns to how many sequences it brought a token."""
        if self._ended:
            self._retire(record.time_s, is_recorded=record.failed)
        if record.left:
            self._leave(record.left)
        if record.failed:
            return 0
        num_tokens = self._advance(record) if record.num_standing else 0
        for units in record.explicit:
            number = units.sequence_number
            if number in self._last_token_s:
                last_s = self._last_token_s[number]
                if units.emits:
                    num_tokens += 1
                    if last_s is not None:
                        self._histogram.observe(record.time_s - last_s)
                    last_s = self._last_token_s[number] = record.time_s
                if units.stands:
                    self._fresh[number] = last_s
                    self._standing[number] = None
            elif units.stands:
                self._ghosts[number] = None
        if self._ended:
            self._retire(record.time_s, is_recorded=True)
        return num_tokens

    def on_run(self, run: StepRun) -> None:
        """As `on_step` with each of its records: after the first, nobody joins, leaves or ends."""
        self.on_step(next(run.records()))
        count = run.num_standing - len(self._ghosts)
        if count > 0 and len(run.times_s) > 1:
            self._histogram.observe_gaps(run.times_s, count)
        self._advanced_s = run.times_s[-1]

    def _leave(self, left: tuple[int, ...]) -> None:
        for number in left:
            self._ghosts.pop(number, None)
            if number in self._standing:
                del self._standing[number]
                self._last_token_s[number] = self._fresh.pop(number, self._advanced_s)

    def _advance(self, record: StepRecord) -> int:
        num_tokens = num_settled = record.num_standing - len(self._ghosts)
        if self._fresh:
            num_settled -= len(self._fresh)
            for last_s in self._fresh.values():
                if last_s is not None:
                    self._histogram.observe(record.time_s - last_s)
            self._fresh.clear()
        if num_settled > 0 and self._advanced_s is not None:
            self._histogram.observe(record.time_s - self._advanced_s, num_settled)
        self._advanced_s = record.time_s
        return num_tokens

    def _retire(self, time_s: float, *, is_recorded: bool) -> None:
        """Forget who ended before a step returned, or, once that is recorded, who ended by what it brought."""
        by_step: list[Transition] = []
        for event in self._ended:
            number = event.sequence_number
            if is_recorded or event.time_s < time_s or event.after is Status.FAILED:
                self._last_token_s.pop(number, None)
                self._fresh.pop(number, None)
                if number in self._standing:
                    del self._standing[number]
                    self._ghosts[number] = None
            else:
                by_step.append(event)
        self._ended = by_step
