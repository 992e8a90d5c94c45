"""How much of the memory for state holds tokens, told from step records."""

from typing import NamedTuple

from weft.contracts.events import Status, StepRecord, Transition
from weft.observation.event_log import EventLog


class MemoryUse(NamedTuple):
    """Means over time. `token_share`: tokens with state, of those that the blocks taken for sequences could hold.
    `num_running`: sequences that run at once."""

    token_share: float
    num_running: float


class StateShare:
    """Follows one engine's log from its beginning, without prefix cache, and counts between two times in seconds.

    A sequence that stands computes one token in each step with standing sequences; others say what they compute.
    """

    def __init__(self, block_tokens: int, begin_s: float, end_s: float) -> None:
        self._block_tokens, self._begin_s, self._end_s = block_tokens, begin_s, end_s
        self._computed: dict[int, int] = {}
        self._standing: dict[int, int] = {}
        self._num_tokens = self._tick = 0
        self._since_s, self._used_blocks, self._num_running = 0.0, 0, 0
        self._token_s = self._room_s = self._running_s = self._counted_s = 0.0

    def watch(self, _replica: int, log: EventLog) -> None:
        """Subscribe to a replica's log."""
        log.subscribe(self._on_transition, Transition)
        log.subscribe(self._on_step, StepRecord)

    def use(self) -> MemoryUse:
        """Of the time counted so far; there must be some in which blocks were taken."""
        return MemoryUse(self._token_s / self._room_s, self._running_s / self._counted_s)

    def _on_transition(self, event: Transition) -> None:
        if event.before is Status.RUNNING:
            self._count(event.time_s)
            self._settle(event.sequence_number)
            self._num_tokens -= self._computed.pop(event.sequence_number, 0)

    def _settle(self, number: int) -> None:
        """From now on a sequence no longer stands."""
        joined = self._standing.pop(number, None)
        if joined is not None:
            self._computed[number] += self._tick - joined

    def _on_step(self, record: StepRecord) -> None:
        self._count(record.time_s)
        for number in record.left:
            self._settle(number)
        if record.num_standing:
            self._tick += 1
            self._num_tokens += len(self._standing)
        for units in record.explicit:
            number = units.sequence_number
            self._num_tokens += units.start + units.num_units - self._computed.get(number, 0)
            self._computed[number] = units.start + units.num_units
            if units.stands:
                self._standing[number] = self._tick
        self._used_blocks, self._num_running = record.used_blocks, record.num_running

    def _count(self, now_s: float) -> None:
        """The time since the last event, with what it left behind."""
        seconds = min(now_s, self._end_s) - max(self._since_s, self._begin_s)
        self._since_s = now_s
        if seconds > 0.0:
            self._token_s += seconds * self._num_tokens
            self._room_s += seconds * self._used_blocks * self._block_tokens
            self._running_s += seconds * self._num_running
            self._counted_s += seconds
