"""Carries out steps: rows, batch, model, sampler. Synchronous; `TorchExecutor` puts it behind the seam."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.contracts.record import replaced
from weft.contracts.steps import Candidate, PromptPart, Step, StepEntry, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.executor.rows import Row, RowTable
from weft.executor.sampling import NOT_FINITE, Sampled, Sampler
from weft.executor.state_pools import StatePools
from weft.models.decoder import Decoder
from weft.ops.backend import GroupTables, Ops, PagedBatch, Span


class Piece(NamedTuple):
    """What a step computes of one row: `num_units` from position `start`; `entry` is None where the row stands."""

    row: Row
    start: int
    num_units: int
    entry: StepEntry | None

    @property
    def emits(self) -> bool:
        """Whether a token is sampled after the last unit."""
        return self.entry is None or (self.entry.emits and not self.entry.num_candidates)

    @property
    def num_candidates(self) -> int:
        """How many of the likeliest next tokens are asked for instead."""
        return self.entry.num_candidates if self.entry is not None and self.entry.emits else 0


class ModelRunner:
    """A model with its state and its rows. `max_rows`: the most sequences at once; `max_blocks`: of one."""

    def __init__(
        self, model: Decoder, ops: Ops, pools: StatePools, block_tokens: int, max_rows: int, max_blocks: int
    ) -> None:
        self.model, self.ops, self.pools = model, ops, pools
        self._block_tokens = block_tokens
        self._windows = [group.window_tokens for group in model.spec.layer_groups]
        self._rows = RowTable(max_rows, len(self._windows), max_blocks)
        self._device = pools.layers[0].keys_SGE.device
        self.sampler = Sampler(model.spec.vocab_size, max_rows, self._device)

    def bind_thread(self) -> None:
        """To be called once in the thread that executes."""
        self.ops.bind_thread()

    def close(self) -> None:
        """End the threads of the backend and of the sampler."""
        self.ops.close()
        self.sampler.close()

    def replace_model(self, model: Decoder) -> None:
        """Go on with other weights; raises `ConfigurationError` where the model is of another shape."""
        if model.spec != self.model.spec:
            raise ConfigurationError(
                "the new weights are of a model with another config.json; start a server for it instead"
            )
        self.model = model

    def move(self, transfer: Transfer) -> TransferResult:
        """Carry out a transfer, beside the steps."""
        return self.pools.move(transfer)

    @torch.no_grad()
    def execute(self, step: Step) -> StepResult:
        """Carry out a step in the order of its fields."""
        self._apply(step)
        self.pools.copy(step.copies)
        pieces = self._pieces(step)
        hidden_TD = self._compute(pieces) if pieces else None
        result = self._emit(step, pieces, hidden_TD)
        if hidden_TD is not None and step.entries:
            result = replaced(result, prompts=self._read_prompts(step, pieces, hidden_TD))
        for piece in pieces:
            if piece.entry is not None and piece.entry.stands:
                self._rows.stand(piece.row)
        return result

    def forget_rows(self) -> None:
        """Give up all rows, as at the beginning."""
        for number in self._rows.held:
            self.sampler.remove(number)
        self._rows.forget()

    def lose(self, step: Step) -> None:
        """A step failed or was not executed."""
        for admission in step.added:
            if admission.row in self._rows.held:
                self.sampler.remove(admission.row)
        for number in step.removed:
            if number in self._rows.held:
                self.sampler.remove(number)
        self._rows.lose(step)

    def _apply(self, step: Step) -> None:
        for number in step.removed:
            if number in self._rows.held:
                self.sampler.remove(number)
            self._rows.remove(number)
        for number in step.paused:
            del self._rows.standing[number]
        for admission in step.added:
            row = self._rows.admit(admission)
            self.sampler.admit(row.number, row.request, row.sample_index, row.outputs)
        for change in step.tables:
            self._rows.change(change)
        for growth in step.grown:
            self._rows.grow(growth)

    def _pieces(self, step: Step) -> list[Piece]:
        standing = self._rows.standing.values() if step.advances else ()
        pieces = [Piece(row, row.computed, 1, None) for row in standing]
        for entry in step.entries:
            row = self._rows.match(entry)
            if entry.draft is not None:
                raise ConfigurationError(
                    "this executor verifies no drafts yet; leave the engine's draft policy out"
                )
            if entry.chosen:
                index = row.choose(entry.start, entry.chosen)
                self.sampler.choose(row.number, index, entry.chosen)
            pieces.append(Piece(row, entry.start, entry.num_units, entry))
        return pieces

    def _compute(self, pieces: Sequence[Piece]) -> Tensor:
        spans: list[Span] = []
        tokens: list[int] = []
        positions: list[int] = []
        for row, start, num_units, _ in pieces:
            spans.append(Span(len(tokens), start, num_units))
            tokens.extend(row.tokens(start, num_units))
            positions.extend(range(start, start + num_units))
            row.computed = start + num_units
        tokens_T, positions_T = self._indexes(tokens), self._indexes(positions)
        plan = self.ops.plan_attention(self._batch(pieces, spans))
        return self.ops.step(self.model, tokens_T, positions_T, plan)

    def _batch(self, pieces: Sequence[Piece], spans: Sequence[Span]) -> PagedBatch:
        longest = max(span.start + span.num_units for span in spans)
        tables = self._rows.select_tables([piece.row for piece in pieces], -(-longest // self._block_tokens))
        groups = [
            GroupTables(self._there(tables_BM), window)
            for tables_BM, window in zip(tables, self._windows, strict=True)
        ]
        return PagedBatch(spans, groups, self.pools.layers, self._block_tokens)

    def _indexes(self, values: Sequence[int]) -> Tensor:
        return self._there(torch.from_numpy(np.array(values, dtype=np.int64)))

    def _there(self, made: Tensor) -> Tensor:
        """On the device. On a CPU torch is not asked: it gives the interpreter to another thread while it looks."""
        return made if self._device.type == "cpu" else made.to(self._device)

    def _emit(self, step: Step, pieces: Sequence[Piece], hidden_TD: Tensor | None) -> StepResult:
        """Sample where tokens are wanted, report candidates where these are."""
        last_units = _last_units(pieces)
        emitting = [index for index, piece in enumerate(pieces) if piece.emits]
        asking = [index for index, piece in enumerate(pieces) if piece.num_candidates]
        tokens = [0] * (1 + max(self._rows.held, default=-1))
        if hidden_TD is None or not (emitting or asking):
            return StepResult(step.number, tokens)
        logits_RV = self._logits(hidden_TD, [last_units[index] for index in emitting + asking])
        rows = [pieces[index].row for index in emitting]
        sampled = self.sampler.sample(
            logits_RV[: len(rows)] if asking else logits_RV,
            [row.number for row in rows],
            [row.position for row in rows],
        )
        finished = self._record(rows, sampled, tokens)
        candidates = {
            pieces[index].row.number: self._candidates(pieces[index], logits_RV[number])
            for number, index in enumerate(asking, len(rows))
        }
        logprobs = {row: (reported,) for row, reported in sampled.logprobs.items()}
        impossible = {row: NOT_FINITE for row, found in candidates.items() if not found}
        failed = {**sampled.failed, **impossible}
        return StepResult(step.number, tokens, finished, {}, candidates, logprobs, failed=failed)

    def _logits(self, hidden_TD: Tensor, wanted: Sequence[int]) -> Tensor:
        """Of these rows, which are all of them where every sequence decodes."""
        is_all = list(wanted) == list(range(len(hidden_TD)))
        return self.model.logits(hidden_TD if is_all else hidden_TD.index_select(0, self._indexes(wanted)))

    def _read_prompts(self, step: Step, pieces: Sequence[Piece], hidden_TD: Tensor) -> dict[int, PromptPart]:
        """What the entries tell of their prompts. Rows that stand, which come first, are beyond theirs."""
        end, parts = len(hidden_TD), {}
        for row, start, num_units, _ in reversed(pieces[len(pieces) - len(step.entries) :]):
            if row.reader is not None and start < len(row.prompt):
                parts[row.number] = row.reader.read(self.model, start, hidden_TD[end - num_units : end])
            end -= num_units
        return parts

    def _record(self, rows: Sequence[Row], sampled: Sampled, tokens: list[int]) -> tuple[int, ...]:
        finished = []
        for row, token in zip(rows, sampled.tokens, strict=True):
            row.outputs.append(token)
            tokens[row.number] = token
            if row.ends_with(token) or row.number in sampled.complete:
                finished.append(row.number)
        return tuple(finished)

    def _candidates(self, piece: Piece, logits_V: Tensor) -> tuple[Candidate, ...]:
        row = piece.row
        return self.sampler.likeliest(logits_V, row.number, row.position, piece.num_candidates)


def _last_units(pieces: Sequence[Piece]) -> list[int]:
    """The packed row of each piece's last unit."""
    ends, end = [], 0
    for piece in pieces:
        end += piece.num_units
        ends.append(end - 1)
    return ends
