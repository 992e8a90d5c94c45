"""Carries out steps: rows, batch, model, sampler. Synchronous; `TorchExecutor` puts it behind the seam."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.contracts.record import replaced
from weft.contracts.steps import Candidate, PromptPart, Step, StepResult, TokenLogprobs
from weft.contracts.transfers import Transfer, TransferResult
from weft.executor.rows import Row, RowTable
from weft.executor.sampling import NOT_FINITE, Sampled, Sampler
from weft.executor.state_pools import StatePools
from weft.executor.step_inputs import Piece, StepInputs, continues_all, last_units
from weft.models.decoder import Decoder
from weft.ops.backend import Decoded, Ops


class ModelRunner:
    """A model with its state and its rows. `max_rows`: the most sequences at once; `max_blocks`: of one."""

    def __init__(
        self, model: Decoder, ops: Ops, pools: StatePools, block_tokens: int, max_rows: int, max_blocks: int
    ) -> None:
        self.model, self.ops, self.pools = model, ops, pools
        self._rows = RowTable(max_rows, len(model.spec.layer_groups), max_blocks)
        device = pools.layers[0].keys_SGE.device
        self._inputs = StepInputs(model.spec, self._rows, pools.layers, block_tokens, device)
        self.sampler = Sampler(model.spec.vocab_size, max_rows, device)

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

    def execute(self, step: Step) -> StepResult:
        """Carry out a step in the order of its fields."""
        self._apply(step)
        self.pools.copy(step.copies)
        pieces = self._pieces(step)
        if not pieces:
            return StepResult(step.number, self._no_tokens())
        hidden_TD, result = self._compute(step, pieces)
        if step.entries:
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

    def _compute(self, step: Step, pieces: Sequence[Piece]) -> tuple[Tensor, StepResult]:
        """The hidden states of all units, and what came of the last ones."""
        tokens_T, positions_T, batch = self._inputs.take(pieces)
        plan = self.ops.plan_attention(batch)
        if continues_all(pieces):
            chooses = self.sampler.takes_likeliest
            decoded = self.ops.decode(self.model, tokens_T, positions_T, plan, chooses=chooses)
            return decoded.hidden_TD, self._continue(step, [piece.row for piece in pieces], decoded)
        hidden_TD = self.ops.step(self.model, tokens_T, positions_T, plan)
        return hidden_TD, self._emit(step, pieces, hidden_TD)

    def _continue(self, step: Step, rows: Sequence[Row], decoded: Decoded) -> StepResult:
        """A token for each of these, which are all that the step computed."""
        numbers, tokens = [row.number for row in rows], self._no_tokens()
        if decoded.likeliest is not None:
            sampled = self.sampler.take(decoded.likeliest, numbers)
        else:
            sampled = self.sampler.sample(decoded.scores_TV, numbers, [row.position for row in rows])
        finished = self._record(rows, sampled, tokens)
        return StepResult(
            step.number, tokens, finished, logprobs=_by_step(sampled.logprobs), failed=sampled.failed
        )

    def _emit(self, step: Step, pieces: Sequence[Piece], hidden_TD: Tensor) -> StepResult:
        """Sample where tokens are wanted, report candidates where these are."""
        ends = last_units(pieces)
        emitting = [index for index, piece in enumerate(pieces) if piece.emits]
        asking = [index for index, piece in enumerate(pieces) if piece.num_candidates]
        tokens = self._no_tokens()
        if not (emitting or asking):
            return StepResult(step.number, tokens)
        logits_RV = self._scores(hidden_TD, [ends[index] for index in emitting + asking])
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
        impossible = {row: NOT_FINITE for row, found in candidates.items() if not found}
        failed = {**sampled.failed, **impossible}
        logprobs = _by_step(sampled.logprobs)
        return StepResult(step.number, tokens, finished, {}, candidates, logprobs, failed=failed)

    def _scores(self, hidden_TD: Tensor, wanted: Sequence[int]) -> Tensor:
        """Of what may come after these units."""
        return self.model.logits(hidden_TD.index_select(0, self._inputs.indexes(wanted)))

    def _no_tokens(self) -> list[int]:
        """By row."""
        return [0] * (1 + max(self._rows.held, default=-1))

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


def _by_step(logprobs: Mapping[int, TokenLogprobs]) -> dict[int, tuple[TokenLogprobs, ...]]:
    """By row, those of the one token that a step emits."""
    return {row: (reported,) for row, reported in logprobs.items()}
