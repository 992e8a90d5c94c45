"""The sampler: what `SamplingParams` says about the choice of a token, for all rows of a step at once.

A row's token and log-probabilities are a pure function of its own logits, request, sample index, position and
tokens so far, whatever the other rows are: every operation works row by row or element by element, and a row's way
through the stages depends on nothing but the row.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from weft.contracts.errors import InvariantViolation
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import Candidate, TokenLogprobs
from weft.executor.sampling.constrained_rows import ConstrainedRows
from weft.executor.sampling.draws import draw, take_likeliest
from weft.executor.sampling.edits import add_bias, ban
from weft.executor.sampling.filters import make_filters
from weft.executor.sampling.logprobs import Wanted, likeliest_tokens, token_logprobs
from weft.executor.sampling.penalties import penalise
from weft.executor.sampling.rows import Row, make_row
from weft.ops.backend import LOST
from weft.text.constraints import Grammars

NOT_FINITE = "the model gave logits that are not finite numbers; its weights or its arithmetic are broken"


class Sampled(NamedTuple):
    """`tokens[i]`: the token of the i-th row asked for. `logprobs`: by row, where the request asked for them.

    `complete`: rows after whose token their constraint lets nothing follow. `failed`: by row, why it cannot go on; its
    token means nothing.
    """

    tokens: list[int]
    logprobs: dict[int, TokenLogprobs]
    complete: tuple[int, ...] = ()
    failed: Mapping[int, str] = {}


class Sampler:
    """Chooses output tokens. A sequence must be admitted to its row first.

    `vocab_size`: number of logits. `max_rows`: rows are 0 to this, exclusive. `device`: where logits come from.
    """

    def __init__(self, vocab_size: int, max_rows: int, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._device = device
        self._rows: list[Row | None] = [None] * max_rows
        self._choosy: set[int] = set()  # rows that do not simply take the likeliest token
        self._filters = make_filters([SamplingParams()] * max_rows, vocab_size, device)
        self._constrained = ConstrainedRows(vocab_size, max_rows, device)

    def use(self, grammars: Grammars) -> None:
        """Where the grammars of constraints are found; without them no constraint can be followed."""
        self._constrained.use(grammars)

    def close(self) -> None:
        """End the thread that computes masks."""
        self._constrained.close()

    def admit(self, row: int, request: Request, sample_index: int, output_tokens: Sequence[int]) -> None:
        """A sequence takes the row, in place of what held it; `output_tokens`: its output so far.

        Raises `InvalidRequest` where `check_vocabulary` does, and for a repetition penalty on a prompt that is not
        known by its tokens.
        """
        made = self._rows[row] = make_row(
            request, sample_index, output_tokens, self._vocab_size, self._device
        )
        self._choosy.discard(row)
        if request.sampling.constraint is not None or not made.takes_likeliest:
            self._choosy.add(row)
        settings = make_filters([request.sampling], self._vocab_size, self._device)
        for setting_M, setting_R in zip(self._filters, settings, strict=True):
            setting_M[row] = setting_R[0]
        self._constrained.admit(row, request, output_tokens)

    def remove(self, row: int) -> None:
        """The row's sequence leaves it."""
        self._rows[row] = None
        self._choosy.discard(row)
        self._constrained.remove(row)

    def choose(self, row: int, output_index: int, tokens: Sequence[int]) -> None:
        """A client chose the output from `output_index` on: it becomes `tokens`."""
        history = self._row(row).history
        if history is not None:
            history.replace(output_index, tokens)
        self._constrained.choose(row, output_index, tokens)

    @property
    def takes_likeliest(self) -> bool:
        """Whether every row that is held takes the likeliest token, so that `take` may be asked."""
        return not self._choosy

    def take(self, likeliest: list[int], rows: Sequence[int]) -> Sampled:
        """What `sample` gives where every row `takes_likeliest`. `likeliest[i]`: of the i-th row, or `LOST`."""
        if LOST not in likeliest:
            return Sampled(likeliest, {})
        tokens, lost = _without(likeliest, [i for i, token in enumerate(likeliest) if token == LOST])
        return Sampled(tokens, {}, (), {rows[i]: NOT_FINITE for i in lost})

    def sample(self, logits_RV: Tensor, rows: Sequence[int], positions: Sequence[int]) -> Sampled:
        """One token for each of these rows, each row at most once; the tokens count as output from now on.

        `logits_RV`: float32, unchanged by the call. `positions[i]`: where the token of `rows[i]` will stand, counted
        from the start of the prompt.
        """
        held = [self._row(row) for row in rows]
        changed_RV = self._adjusted(logits_RV, held, rows, positions)
        tokens, lost = self._choose(changed_RV, held, rows, positions)
        for row, token, position in zip(held, tokens, positions, strict=True):
            if row.history is not None:
                row.history.replace(row.output_index(position), (token,))
        complete, failed = self._constrained.advance(rows, tokens)
        failed.update((rows[i], NOT_FINITE) for i in lost if rows[i] not in failed)
        return Sampled(tokens, _logprobs(logits_RV, held, rows, tokens), complete, failed)

    def likeliest(self, logits_V: Tensor, row: int, position: int, count: int) -> tuple[Candidate, ...]:
        """The `count` likeliest tokens at a position under the unchanged logits, equals by smaller id.

        While fewer than min_tokens outputs exist, tokens that would end the sequence are left out; the others keep
        their log-probabilities.
        """
        return likeliest_tokens(logits_V, self._row(row).banned(position), count)

    def _row(self, row: int) -> Row:
        held = self._rows[row]
        if held is None:
            raise InvariantViolation("sampled_row_is_held", f"no sequence holds row {row}")
        return held

    def _adjusted(
        self, logits_RV: Tensor, held: Sequence[Row], rows: Sequence[int], positions: Sequence[int]
    ) -> Tensor:
        """Logits after bias, penalties, constraints and bans, in this order; the same tensor where no row has any.

        A ban that would leave nothing lets the likeliest token be: a constraint goes before `min_tokens`.
        """
        biases = [(i, row.bias) for i, row in enumerate(held) if row.bias is not None]
        histories = [(i, row.history) for i, row in enumerate(held) if row.history is not None]
        allowed = self._constrained.allowed(rows)
        bans = [
            (i, row.banned(position)) for i, (row, position) in enumerate(zip(held, positions, strict=True))
        ]
        banned = [(i, tokens) for i, tokens in bans if tokens is not None]
        if not (biases or histories or allowed or banned):
            return logits_RV
        changed_RV = logits_RV.clone(memory_format=torch.contiguous_format)
        add_bias(changed_RV, biases)
        penalise(changed_RV, histories)
        self._constrained.restrict(changed_RV, allowed)
        ban(changed_RV, banned)
        return changed_RV

    def _choose(
        self, logits_RV: Tensor, held: Sequence[Row], rows: Sequence[int], positions: Sequence[int]
    ) -> tuple[list[int], list[int]]:
        """Tokens from adjusted logits, each kind of row on its own way, and the indexes of rows that have none."""
        likeliest = [i for i, row in enumerate(held) if row.is_greedy]
        if len(likeliest) == len(held):
            return _likeliest(logits_RV)
        drawn = [i for i, row in enumerate(held) if not row.is_greedy and not row.filtered]
        filtered = [i for i, row in enumerate(held) if not row.is_greedy and row.filtered]
        tokens_R = torch.empty(len(held), dtype=torch.int64, device=self._device)
        if likeliest:
            tokens_R[likeliest] = take_likeliest(_rows_of(logits_RV, likeliest))
        for indexes, is_filtered in ((drawn, False), (filtered, True)):
            if indexes:
                keys_R = self._tensor([held[i].key(positions[i]) for i in indexes])
                filters = self._filters.of(self._tensor([rows[i] for i in indexes]))
                tokens_R[indexes] = draw(_rows_of(logits_RV, indexes), keys_R, filters, is_filtered)
        return _found(logits_RV, tokens_R)

    def _tensor(self, values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._device)


def _likeliest(logits_RV: Tensor) -> tuple[list[int], list[int]]:
    """Of all rows. On a CPU without torch, each of whose operations takes as long as the search."""
    if logits_RV.device.type == "cpu":
        numbers_RV = logits_RV.numpy()
        return _checked(numbers_RV, np.argmax(numbers_RV, -1).tolist())
    return _found(logits_RV, take_likeliest(logits_RV))


def _found(logits_RV: Tensor, tokens_R: Tensor) -> tuple[list[int], list[int]]:
    """The tokens, 0 where the chosen logit is not finite, and the indexes of those. The likeliest of a row with a NaN
    is the NaN, and a draw from it is beyond the vocabulary, so the rest of the row need not be looked at."""
    if logits_RV.device.type == "cpu":
        return _checked(logits_RV.numpy(), tokens_R.tolist())
    last = logits_RV.shape[-1] - 1
    is_finite_R = logits_RV.gather(1, tokens_R.clamp(max=last)[:, None])[:, 0].isfinite()
    tokens = tokens_R.where(is_finite_R & (tokens_R <= last), LOST).tolist()
    return _without(tokens, [i for i, token in enumerate(tokens) if token == LOST] if LOST in tokens else [])


def _checked(numbers_RV: np.ndarray, tokens: list[int]) -> tuple[list[int], list[int]]:
    """As `_found`: one look at each instead of an operation for each question."""
    beyond = numbers_RV.shape[-1]
    lost = [i for i, token in enumerate(tokens) if token >= beyond or not isfinite(numbers_RV[i, token])]
    return _without(tokens, lost)


def _without(tokens: list[int], lost: list[int]) -> tuple[list[int], list[int]]:
    for index in lost:
        tokens[index] = 0
    return tokens, lost


def _rows_of(logits_RV: Tensor, indexes: list[int]) -> Tensor:
    """These rows, without a copy where they are all."""
    return logits_RV if len(indexes) == len(logits_RV) else logits_RV[indexes]


def _logprobs(
    logits_RV: Tensor, held: Sequence[Row], rows: Sequence[int], tokens: Sequence[int]
) -> dict[int, TokenLogprobs]:
    counts = [row.params.logprobs for row in held]
    wanted = [Wanted(i, tokens[i], count) for i, count in enumerate(counts) if count is not None]
    reports = token_logprobs(logits_RV, wanted)
    return {rows[each.row]: report for each, report in zip(wanted, reports, strict=True)}
