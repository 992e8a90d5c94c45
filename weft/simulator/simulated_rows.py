"""The rows of a simulated executor: how much work each step is, and which outputs end with it.

A step says what changes; the rest follows from running sums and from a calendar of the ticks (steps in which the
standing rows advance) at which outputs end. So a step in which everybody decodes one more token costs the same for
8 and for 4,096 rows.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from weft.contracts.errors import ConfigurationError
from weft.contracts.steps import Admission, Step, StepEntry
from weft.costs.step_costs import Chunk
from weft.simulator.standing_sums import VisibleTokens

NEVER = -1


class StepWork(NamedTuple):
    """A step as `StepCosts.seconds` takes it, and the rows whose output ends with it."""

    num_tokens: int
    num_outputs: int
    num_decodes: int
    visible_tokens: Sequence[int]
    chunks: Sequence[Chunk]
    finished: tuple[int, ...]


class PlainSteps(NamedTuple):
    """As `StepCosts.decode_seconds` takes them."""

    num_decodes: int
    visible_tokens: Sequence[int]
    per_step: Sequence[int]


class _Row:
    """Who holds a row: `tokens_left` until its output ends, as of joining where it stands."""

    __slots__ = ("base", "ending_tick", "join_tick", "stands", "tokens_left")

    def __init__(self, tokens_left: int) -> None:
        self.tokens_left = tokens_left
        self.stands = False
        self.base = self.join_tick = 0
        self.ending_tick = NEVER

    def ends_at(self, tick: int) -> bool:
        """Whether the output ends there; once, for a row that paused may be in the calendar twice."""
        is_due = self.ending_tick == tick
        if is_due:
            self.ending_tick = NEVER
        return is_due


class SimulatedRows:
    """Follows the deltas of one engine's steps.

    `output_tokens`: by request id, how long its samples would be; the engine knows only the request's own limit.
    `windows_tokens`: of the model's layer groups, in their order. `tokens`: by row, the one token that the output of
    its holder consists of; it follows from the request, so that outputs of two requests differ. Never changed in
    place: steps under way keep theirs.
    """

    def __init__(
        self, output_tokens: Mapping[str, Sequence[int]], windows_tokens: Sequence[int | None]
    ) -> None:
        self._output_tokens = output_tokens
        self._visible = tuple(VisibleTokens(window) for window in windows_tokens)
        self.tokens: list[int] = []
        self._rows: dict[int, _Row] = {}
        self._num_standing = 0
        self._tick = 0
        self._endings: dict[int, list[tuple[int, _Row]]] = {}

    def apply(self, step: Step) -> StepWork:
        """Take a step into account, in the order of its parts."""
        if step.removed or step.paused or step.added:
            self._change_rows(step)
        num_decodes = self._num_standing if step.advances else 0
        visible_tokens = [sums.total if num_decodes else 0 for sums in self._visible]
        ending = self._advance() if num_decodes else []
        chunks = [(entry.num_units, entry.start) for entry in step.entries]
        num_outputs = num_decodes
        for entry in step.entries:
            num_outputs += entry.emits
            self._compute(entry, ending)
        return StepWork(step.num_tokens, num_outputs, num_decodes, visible_tokens, chunks, tuple(ending))

    @property
    def num_plain_steps(self) -> int:
        """How many of the next ones can be such that each only advances the standing rows, and no output ends. None
        where windows make them differ in more than what everybody has seen."""
        if any(sums.per_tick is None for sums in self._visible):
            return 0
        return min(self._endings, default=self._tick) - self._tick

    def plain_steps(self) -> PlainSteps:
        """What they are."""
        totals = [sums.total for sums in self._visible]
        return PlainSteps(self._num_standing, totals, [sums.per_tick or 0 for sums in self._visible])

    def skip(self, num_steps: int) -> None:
        """Take so many of them into account."""
        for sums in self._visible:
            sums.total += num_steps * (sums.per_tick or 0)
        self._tick += num_steps

    def _change_rows(self, step: Step) -> None:
        for number in step.removed:
            self._stop(self._rows.pop(number))
        for number in step.paused:
            self._stop(self._rows[number])
        if step.added:
            self._admit_all(step.added)

    def _admit_all(self, added: Sequence[Admission]) -> None:
        highest = max(admission.row for admission in added)
        tokens = self.tokens + [0] * (highest + 1 - len(self.tokens))
        for admission in added:
            self._rows[admission.row] = self._admit(admission)
            tokens[admission.row] = _token(admission)
        self.tokens = tokens

    def _admit(self, admission: Admission) -> _Row:
        wanted = self._output_tokens[admission.request.request_id][admission.sample_index]
        return _Row(wanted - len(admission.output_tokens))

    def _stop(self, row: _Row) -> None:
        if row.stands:
            row.stands, row.ending_tick = False, NEVER
            row.tokens_left -= self._tick - row.join_tick
            self._num_standing -= 1
            for sums in self._visible:
                sums.leave(row.base, self._tick)

    def _stand(self, number: int, row: _Row, num_computed: int) -> None:
        """From the next step that advances on; `num_computed`: units before it."""
        tick = self._tick
        row.stands, row.join_tick, row.base = True, tick, num_computed - tick
        self._num_standing += 1
        for sums in self._visible:
            sums.join(row.base, tick)
        if row.tokens_left > 0:
            row.ending_tick = tick + row.tokens_left - 1
            self._endings.setdefault(row.ending_tick, []).append((number, row))

    def _advance(self) -> list[int]:
        """Everybody who stands gets a token; the rows for which it is the last."""
        tick = self._tick
        due = self._endings.pop(tick, ())
        self._tick = tick + 1
        for sums in self._visible:
            sums.advance(tick + 1)
        return [number for number, row in due if row.ends_at(tick)]

    def _compute(self, entry: StepEntry, ending: list[int]) -> None:
        if entry.draft is not None or entry.num_candidates:
            raise ConfigurationError("drafts and beam search cannot be simulated yet; leave them out")
        row = self._rows[entry.row]
        if entry.emits:
            row.tokens_left -= 1
            if row.tokens_left == 0:
                ending.append(entry.row)
        if entry.stands:
            self._stand(entry.row, row, entry.start + entry.num_units)


def _token(admission: Admission) -> int:
    """The same wherever and how often the sequence is admitted; 31 bits."""
    return crc32(f"{admission.request.request_id} {admission.sample_index}".encode()) >> 1
