"""The rows of a simulated executor: how much work each step is, and which outputs end with it.

A step says what changes; the rest follows from running sums and from a calendar of the ticks (steps in which the
standing rows advance) at which outputs end. So a step in which everybody decodes one more token costs the same for
8 and for 4,096 rows.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

from weft.contracts.errors import ConfigurationError
from weft.contracts.steps import Admission, Candidate, Step, StepEntry, Verification
from weft.costs.serving_costs import Chunk
from weft.simulator.simulated_beams import END_TOKEN, NextTokens
from weft.simulator.simulated_drafts import Luck
from weft.simulator.standing_sums import LongestTokens, PaddedTokens, VisibleTokens
from weft.simulator.step_work import PlainSteps, StepWork

NEVER = -1


class _Row:
    """Who holds a row: the name of its output, `length_tokens` in all, `tokens_left` until it ends, as of joining
    where it stands, and the `last_token` that its client chose. `ending_step`: the number of the step that brings the
    last token, once that is planned."""

    __slots__ = (
        "base",
        "ending_step",
        "ending_tick",
        "join_tick",
        "last_token",
        "length_tokens",
        "output",
        "stands",
        "tokens_left",
    )

    def __init__(self, output: str, length_tokens: int, known: Sequence[int]) -> None:
        self.output = output
        self.length_tokens = length_tokens
        self.tokens_left = length_tokens - len(known)
        self.last_token = known[-1] if known else END_TOKEN
        self.stands = False
        self.base = self.join_tick = 0
        self.ending_tick = self.ending_step = NEVER

    def ends_at(self, tick: int) -> bool:
        """Whether the output ends there; once, for a row that paused may be in the calendar twice."""
        is_due = self.ending_tick == tick
        if is_due:
            self.ending_tick = NEVER
        return is_due


class SimulatedRows:
    """Follows the deltas of one engine's steps.

    `output_tokens`: by request id, how long its samples would be (`NEVER`: without end), or all hypotheses of its
    search; the engine knows only the request's own limit. `windows_tokens`: of the model's layer groups, in their
    order. `tokens`: by row, the one token that the output of its holder consists of; it follows from the request, so
    that outputs of two requests differ. Changed in place only where nobody will read what was there: steps under way
    keep theirs.
    `returned_step`: the number of the last step that has returned. `luck`: how many guesses of a draft are right; None
    where there are no drafts. `next_tokens`: what a search chooses from. `pads_decodes`, `wants_longest`:
    see `ServingCosts`; where it is not wanted, `longest_tokens` is 0.
    """

    def __init__(
        self,
        output_tokens: Mapping[str, Sequence[int]],
        windows_tokens: Sequence[int | None],
        luck: Luck | None = None,
        next_tokens: NextTokens | None = None,
        pads_decodes: bool = False,
        wants_longest: bool = False,
    ) -> None:
        self._luck = luck
        self._next_tokens = next_tokens or NextTokens(seed=0)
        self._output_tokens = output_tokens
        sums = PaddedTokens if pads_decodes else VisibleTokens
        self._visible = tuple(sums(window) for window in windows_tokens)
        self._longest = LongestTokens() if wants_longest else None
        self.tokens: list[int] = []
        self.returned_step = NEVER
        self._is_awaited = False  # a step under way may bring a token to a row that was left
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
        longest_tokens = self._longest_tokens() if num_decodes else 0
        ending = self._advance() if num_decodes else []
        chunks, num_outputs = list[Chunk](), num_decodes
        verified, candidates = dict[int, Verification](), dict[int, tuple[Candidate, ...]]()
        for entry in step.entries:
            num_guesses = 0 if entry.draft is None else len(entry.draft.tokens)
            if num_guesses:
                verified[entry.row] = self._verify(entry.row, num_guesses, ending)
            elif entry.num_candidates:
                candidates[entry.row] = self._likeliest(entry)
            else:
                self._compute(entry, ending)
            chunks.append((entry.num_units + num_guesses, entry.start))
            num_outputs += entry.emits + num_guesses
        for number in ending:
            self._rows[number].ending_step = step.number
        ended = tuple(ending)
        sizes = step.num_tokens, num_outputs, num_decodes, visible_tokens, chunks, longest_tokens
        return StepWork(*sizes, ended, verified, candidates)

    def _longest_tokens(self) -> int:
        return 0 if self._longest is None else self._longest.at(self._tick)

    def num_plain_steps(self, most: int) -> int:
        """How many of the next ones, up to `most`, can be such that each only advances the standing rows, and no output
        ends. None where windows make them differ in more than what everybody has seen."""
        endings, tick = self._endings, self._tick
        for sums in self._visible:
            if sums.per_tick is None:
                return 0
        for ahead in range(most if endings else 0):
            if tick + ahead in endings:
                return ahead
        return most if endings else 0

    def plain_steps(self) -> PlainSteps:
        """What they are."""
        totals = [sums.total for sums in self._visible]
        per_step = [sums.per_tick or 0 for sums in self._visible]
        return PlainSteps(self._num_standing, totals, per_step, self._longest_tokens())

    def skip(self, num_steps: int) -> None:
        """Take so many of them into account."""
        for sums in self._visible:
            sums.total += num_steps * (sums.per_tick or 0)
        self._tick += num_steps

    def forget(self) -> None:
        """Give up all."""
        for row in self._rows.values():
            self._stop(row)
        self._rows.clear()

    def _change_rows(self, step: Step) -> None:
        for number in step.removed:
            row = self._rows.pop(number)
            self._stop(row)
            self._is_awaited |= not NEVER < row.ending_step <= self.returned_step
        for number in step.paused:
            self._stop(self._rows[number])
        if step.added:
            self._admit_all(step.added)

    def _admit_all(self, added: Sequence[Admission]) -> None:
        if self._is_awaited:
            self.tokens, self._is_awaited = list(self.tokens), False
        for admission in added:
            row = self._rows[admission.row] = self._admit(admission)
            self.tokens += [0] * (admission.row + 1 - len(self.tokens))
            self.tokens[admission.row] = crc32(row.output.encode()) >> 1

    def _admit(self, admission: Admission) -> _Row:
        request_id, is_search = admission.request.request_id, admission.request.sampling.beam_width > 1
        sample_index = 0 if is_search else admission.sample_index
        length_tokens = self._output_tokens[request_id][sample_index]
        return _Row(f"{request_id} {sample_index}", length_tokens, admission.output_tokens)

    def _stop(self, row: _Row) -> None:
        if row.stands:
            row.stands, row.ending_tick = False, NEVER
            row.tokens_left -= self._tick - row.join_tick
            self._num_standing -= 1
            for sums in self._visible:
                sums.leave(row.base, self._tick)
            if self._longest is not None:
                self._longest.leave(row.base)

    def _stand(self, number: int, row: _Row, num_computed: int) -> None:
        """From the next step that advances on; `num_computed`: units before it."""
        tick = self._tick
        row.stands, row.join_tick, row.base = True, tick, num_computed - tick
        self._num_standing += 1
        for sums in self._visible:
            sums.join(row.base, tick)
        if self._longest is not None:
            self._longest.join(row.base)
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
        row = self._rows[entry.row]
        if entry.emits:
            row.tokens_left -= 1
            if row.tokens_left == 0:
                ending.append(entry.row)
        if entry.stands:
            self._stand(entry.row, row, entry.start + entry.num_units)

    def _likeliest(self, entry: StepEntry) -> tuple[Candidate, ...]:
        """What may follow the tokens of a hypothesis; all those of a request end at the same length."""
        row = self._rows[entry.row]
        if entry.chosen:
            row.tokens_left -= len(entry.chosen)
            row.last_token = entry.chosen[-1]
        if row.tokens_left <= 1:
            return self._next_tokens.end()
        position = row.length_tokens - row.tokens_left
        return self._next_tokens.likeliest(row.output, position, row.last_token, entry.num_candidates)

    def _verify(self, number: int, num_guesses: int, ending: list[int]) -> Verification:
        """The guesses that are right and the token after them, but no more than the output has left."""
        if self._luck is None:
            raise ConfigurationError("this simulation has no draft model; give it one, or leave drafts out")
        row = self._rows[number]
        num_right = self._luck.num_right(row.output, row.length_tokens - row.tokens_left, num_guesses)
        num_right = min(num_right, row.tokens_left - 1)
        row.tokens_left -= num_right + 1
        if row.tokens_left == 0:
            ending.append(number)
        return Verification(tuple(range(num_right)), (self.tokens[number],) * (num_right + 1))
