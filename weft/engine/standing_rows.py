"""The sequences that decode one token per step, advanced all at once.

A step in which nothing else happens must not cost time per sequence. So nothing is stored per sequence and
step: the rows share a tick clock, calendars say at which tick whose state reaches a new block or whose
output its limit, and the token arrays of recent steps are kept until everyone has fetched theirs, which
happens at every few block boundaries.
"""

from array import array
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf

from weft.engine.sequence import NEVER, Sequence, TickClock

FETCH_BLOCKS = 4
"""Tokens are fetched at every so many block boundaries."""

SLACK_TICKS = 64
"""How many ticks beyond that are kept for those who fetch late: the steps in flight."""


class StandingRows:
    """Who stands, what falls due at which tick, and the tokens of recent ticks.

    `last_step`: the number of the last step planned in which the rows advanced.
    """

    def __init__(self, block_tokens: int) -> None:
        self.clock = TickClock()
        self.count = 0
        self.last_step = NEVER
        self._block_tokens = block_tokens
        self._kept_ticks = (FETCH_BLOCKS + 1) * block_tokens + SLACK_TICKS
        self._crossings: dict[int, list[Sequence]] = {}
        self._endings: dict[int, dict[int, Sequence]] = {}
        self._history: list[SequenceOf[int]] = []
        self._history_start = self._alike_since = self._collected_tick = 0

    def join(self, sequence: Sequence) -> None:
        """From the next tick on the sequence takes part; its known tokens are one ahead of the computed."""
        assert sequence.num_missing == 1 and sequence.num_remaining_tokens > 0
        tick, computed = self.clock.tick, sequence.base_computed
        sequence.stands = True
        sequence.join_tick = sequence.collected_tick = tick
        sequence.ending_tick = tick + sequence.num_remaining_tokens - 1
        self._endings.setdefault(sequence.ending_tick, {})[sequence.number] = sequence
        sequence.crossing_tick = tick + -computed % self._block_tokens
        self._crossings.setdefault(sequence.crossing_tick, []).append(sequence)
        self.count += 1

    def leave(self, sequence: Sequence) -> None:
        """From the next tick on the sequence takes no part."""
        ticks = self.clock.tick - sequence.join_tick
        sequence.base_known += ticks
        sequence.base_computed += ticks
        sequence.stands = False
        sequence.leave_tick = self.clock.tick
        sequence.last_step = max(sequence.last_step, self.last_step)
        self._forget_ending(sequence)
        sequence.crossing_tick = sequence.ending_tick = NEVER
        self.count -= 1

    def _forget_ending(self, sequence: Sequence) -> None:
        """Most end long before their limit, and are not to be kept until then."""
        ending = self._endings.get(sequence.ending_tick)
        if ending is not None:
            ending.pop(sequence.number, None)
            if not ending:
                del self._endings[sequence.ending_tick]

    def take_crossings(self) -> list[Sequence]:
        """Those whose next unit is the first of a block. Each must be given a block or leave."""
        tick = self.clock.tick
        crossings = self._crossings.pop(tick, None)
        if crossings is None:
            return []
        next_tick, due = tick + self._block_tokens, []
        for sequence in crossings:
            if sequence.crossing_tick == tick:
                sequence.crossing_tick = next_tick
                due.append(sequence)
        if due:
            self._crossings.setdefault(next_tick, []).extend(due)
        return due

    def advance(self) -> list[Sequence]:
        """Plan a tick; return those for whom it is the last because their output reaches its limit."""
        tick = self.clock.tick
        self.clock.tick = tick + 1
        return list(self._endings.pop(tick, {}).values())

    @property
    def ticks_to_limit(self) -> int:
        """How many ticks can be planned before one is somebody's last by the limit of its output."""
        return min(self._endings) - self.clock.tick if self._endings else 0

    def skip_to_crossing(self, last_tick: int) -> bool:
        """Let ticks pass until somebody begins a block, or up to `last_tick` where nobody does before."""
        crossings = self._crossings
        for tick in range(self.clock.tick, last_tick):
            if tick in crossings:
                self.clock.tick = tick
                return True
        self.clock.tick = last_tick
        return False

    def resolve(self, tokens: SequenceOf[int]) -> None:
        """The oldest planned tick has returned these tokens, by row."""
        self._note_alike(tokens)
        self._history.append(tokens)
        self.clock.resolved += 1
        self._forget()

    def resolve_alike(self, num_ticks: int, tokens: SequenceOf[int], sequences: Iterable[Sequence]) -> None:
        """As `resolve`, for so many ticks that all returned the same. Those who stand collect, if any may have missed a
        time to fetch since they last did."""
        self._note_alike(tokens)
        self._history.extend([tokens] * num_ticks)
        self.clock.resolved += num_ticks
        if self.clock.resolved - self._collected_tick >= FETCH_BLOCKS * self._block_tokens:
            self._collected_tick = self.clock.resolved
            for sequence in sequences:
                self.collect(sequence)
        self._forget()

    def _note_alike(self, tokens: SequenceOf[int]) -> None:
        """Since when each tick has returned the very same array, as simulated ones do."""
        if not self._history or self._history[-1] is not tokens:
            self._alike_since = self.clock.resolved

    def _forget(self) -> None:
        if len(self._history) > 2 * self._kept_ticks:
            self._history_start += len(self._history) - self._kept_ticks
            del self._history[: -self._kept_ticks]

    def collect(self, sequence: Sequence) -> None:
        """Append to the sequence's output what it has emitted while standing, as far as returned."""
        end = self.clock.resolved
        if not sequence.stands and sequence.leave_tick < end:
            end = sequence.leave_tick
        first = sequence.collected_tick
        if first < end:
            row, start = sequence.row, self._history_start
            assert first >= start
            if first >= self._alike_since:
                sequence.output += array("i", (self._history[-1][row],)) * (end - first)
            else:
                sequence.output.extend([tokens[row] for tokens in self._history[first - start : end - start]])
            sequence.collected_tick = end

    @property
    def is_time_to_fetch(self) -> bool:
        """Whether those who began a block in the tick that has just returned should collect: those who begin blocks
        together do so at every `FETCH_BLOCKS`-th."""
        return self.clock.resolved // self._block_tokens % FETCH_BLOCKS == 0

    def has_advanced(self, sequence: Sequence) -> bool:
        """Whether a step in which the sequence stood has returned, and so all that were planned before it stood."""
        return sequence.stands and self.clock.resolved > sequence.join_tick

    def num_resolved_units(self, sequence: Sequence) -> int:
        """Units of a standing sequence whose state is computed by steps that have returned."""
        return sequence.base_computed + max(0, self.clock.resolved - sequence.join_tick)
