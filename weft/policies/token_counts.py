"""How many tokens each sequence has been given, from the event log, without work for those that only go on."""

from weft.contracts.events import ENDS, StepRecord, Transition


class TokenCounts:
    """Counts output tokens of sequences that have not ended, as steps return."""

    def __init__(self) -> None:
        self._given: dict[int, int] = {}
        self._standing_since: dict[int, int] = {}
        self._tick = 0

    def knows(self, number: int) -> bool:
        """Whether a sequence is there."""
        return number in self._given

    def tokens(self, number: int) -> int:
        """That a sequence has; 0 for one that is not there."""
        return self._given.get(number, 0) + self._tick - self._standing_since.get(number, self._tick)

    def on_transition(self, event: Transition) -> None:
        """A sequence begins or ends."""
        if event.after in ENDS:
            self._given.pop(event.sequence_number, None)
            self._standing_since.pop(event.sequence_number, None)
        else:
            self._given.setdefault(event.sequence_number, 0)

    def on_step(self, record: StepRecord) -> None:
        """A step is over: those that stand have one more, and those that are named what it says."""
        for number in record.left:
            self._settle(number)
        if record.failed:
            return
        self._tick += 1
        for units in record.explicit:
            number = units.sequence_number
            if number in self._given:
                self._given[number] += units.emits
                if units.stands:
                    self._standing_since.setdefault(number, self._tick)

    def _settle(self, number: int) -> None:
        since = self._standing_since.pop(number, None)
        if since is not None and number in self._given:
            self._given[number] += self._tick - since
