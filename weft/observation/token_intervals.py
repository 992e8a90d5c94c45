"""The time between two tokens of a sequence, told from step records at a cost per change, not per token."""

from weft.contracts.events import ENDS, StepRecord, Transition
from weft.observation.instruments import Histogram


class TokenIntervals:
    """Feeds a histogram with the seconds between each token of a sequence and its next.

    All standing sequences get a token in every record with `num_standing` above 0, so one observation
    serves them all: the time since the previous such record. Kept apart are only the sequences for which
    this is not so: those that have joined since then (their last token came from an explicit entry), and
    those that do not stand (drafting, preempted), whose wait then counts in full.

    What remains approximate: the tokens of one verified draft come at once and count as one interval, as
    in vLLM; a token that a step under way computes for a standing sequence counts although the sequence has
    ended meanwhile and nobody gets it; standing sequences that began before this object saw events are taken
    to have had a token in the last record that advanced.

    Memory is bounded by the sequences that have not ended.
    """

    __slots__ = ("_advanced_s", "_ended", "_fresh", "_histogram", "_last_token_s")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._advanced_s: float | None = None
        self._last_token_s: dict[int, float | None] = {}
        self._fresh: dict[int, float | None] = {}
        self._ended: list[int] = []

    @property
    def num_followed(self) -> int:
        """Sequences of which something is remembered."""
        return len(dict.fromkeys((*self._last_token_s, *self._fresh, *self._ended)))

    def on_transition(self, event: Transition) -> None:
        """Follow which sequences exist."""
        if event.before is None:
            self._last_token_s[event.sequence_number] = None
        if event.after in ENDS:
            # The step that brought the last token may be recorded after the end that it caused.
            self._ended.append(event.sequence_number)

    def on_step(self, record: StepRecord) -> None:
        """Observe the intervals that end with this step."""
        if record.left:
            self._leave(record.left)
        if record.num_standing:
            self._advance(record)
        for units in record.explicit:
            number = units.sequence_number
            if number in self._last_token_s:
                last_s = self._last_token_s[number]
                if units.emits:
                    if last_s is not None:
                        self._histogram.observe(record.time_s - last_s)
                    last_s = self._last_token_s[number] = record.time_s
                if units.stands:
                    self._fresh[number] = last_s
        if self._ended:
            self._forget_ended()

    def _leave(self, left: tuple[int, ...]) -> None:
        for number in left:
            last_s = self._fresh.pop(number, self._advanced_s)
            if number in self._last_token_s:
                self._last_token_s[number] = last_s

    def _advance(self, record: StepRecord) -> None:
        num_settled = record.num_standing
        if self._fresh:
            num_settled -= len(self._fresh)
            for last_s in self._fresh.values():
                if last_s is not None:
                    self._histogram.observe(record.time_s - last_s)
            self._fresh.clear()
        if num_settled > 0 and self._advanced_s is not None:
            self._histogram.observe(record.time_s - self._advanced_s, num_settled)
        self._advanced_s = record.time_s

    def _forget_ended(self) -> None:
        for number in self._ended:
            self._last_token_s.pop(number, None)
            self._fresh.pop(number, None)
        self._ended.clear()
