"""Which sequences hold rows, what is known of each, and where their blocks are."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from weft.contracts.errors import InvalidRequest, InvariantViolation
from weft.contracts.prompts import TokenPrompt
from weft.contracts.steps import HOLE, Admission, Step, StepEntry, TableChange, TableGrowth
from weft.executor.prompt_reading import prompt_reader


class Row:
    """A sequence that holds a row: its tokens and how many units of it are computed.

    `reader`: of what its request wants to know of the prompt, or None.
    """

    __slots__ = (
        "computed",
        "number",
        "outputs",
        "prompt",
        "reader",
        "request",
        "sample_index",
        "stop_token_ids",
    )

    def __init__(self, admission: Admission) -> None:
        prompt = admission.request.prompt
        if not isinstance(prompt, TokenPrompt):
            raise InvalidRequest(
                f"request {admission.request.request_id!r}: a model reads tokens, not a {type(prompt).__name__}"
            )
        adapter = admission.request.adapter
        if adapter is not None:
            raise InvalidRequest(
                f"adapter {adapter!r} cannot be loaded: this executor has none yet; name none"
            )
        self.number = admission.row
        self.request = admission.request
        self.sample_index = admission.sample_index
        self.prompt = prompt.tokens
        self.reader = prompt_reader(admission, prompt.tokens)
        self.outputs = list(admission.output_tokens)
        self.computed = admission.num_computed
        self.stop_token_ids = frozenset(admission.request.sampling.stop_token_ids)

    def tokens(self, start: int, num_units: int) -> Sequence[int]:
        """The tokens at positions from `start` on."""
        end, from_outputs = start + num_units, start - len(self.prompt)
        if from_outputs >= 0:
            found: Sequence[int] = self.outputs[from_outputs : from_outputs + num_units]
        else:
            found = (*self.prompt[start:end], *self.outputs[: max(0, end - len(self.prompt))])
        if len(found) != num_units:
            raise InvariantViolation(
                "token_unknown", f"row {self.number} lacks tokens between {start} and {end}"
            )
        return found

    def choose(self, start: int, tokens: Sequence[int]) -> int:
        """A client has chosen the tokens from position `start` on; returns the index of the first output."""
        index = start - len(self.prompt)
        del self.outputs[index:]
        self.outputs.extend(tokens)
        return index

    @property
    def position(self) -> int:
        """Of the next token that is not known."""
        return len(self.prompt) + len(self.outputs)

    def ends_with(self, token: int) -> bool:
        """Whether the latest output token, this one, ends the sequence."""
        return token in self.stop_token_ids and len(self.outputs) > self.request.sampling.min_tokens


class RowTable:
    """Rows by the deltas of steps. `tables_RM`: per state group, each row's block numbers by index.

    Entries beyond a row's last block mean nothing.
    """

    def __init__(self, max_rows: int, num_groups: int, max_blocks: int) -> None:
        self.held: dict[int, Row] = {}
        self.standing: dict[int, Row] = {}
        # Arrays, because torch gives the interpreter to the event loop's thread in each of its operations, and the step
        # would wait for it.
        self.tables_RM = [np.full((max_rows, max_blocks), HOLE, dtype=np.int64) for _ in range(num_groups)]
        self._lost: set[int] = set()
        self._selected: tuple[list[int], int, list[Tensor]] = ([], 0, [])

    def get(self, number: int) -> Row:
        """The sequence in a row."""
        if number not in self.held:
            raise InvariantViolation("row_unknown", f"nothing holds row {number}")
        return self.held[number]

    def remove(self, number: int) -> None:
        """A row is given up; one that a failed step was to add need not exist."""
        if number in self._lost:
            self._lost.discard(number)
        else:
            del self.held[self.get(number).number]
            self.standing.pop(number, None)

    def admit(self, admission: Admission) -> Row:
        """A sequence takes a row."""
        if admission.row in self.held:
            raise InvariantViolation("row_in_use", f"row {admission.row} is held")
        self._lost.discard(admission.row)
        row = self.held[admission.row] = Row(admission)
        for group, blocks in enumerate(admission.tables):
            self.change(TableChange(admission.row, group, 0, blocks))
        return row

    def change(self, change: TableChange) -> None:
        """A row's table gets blocks from an index on."""
        self._selected = ([], 0, [])
        table_M = self.tables_RM[change.group][change.row]
        end = change.first + len(change.blocks)
        if end > len(table_M):
            detail = f"row {change.row} has {end} blocks; there is room for {len(table_M)}"
            raise InvariantViolation("table_too_long", detail)
        table_M[change.first : end] = change.blocks

    def grow(self, growth: TableGrowth) -> None:
        """The tables of several rows get a block each."""
        self._selected = ([], 0, [])
        tables_RM, longest = self.tables_RM[growth.group], max(growth.ends, default=0)
        if longest >= tables_RM.shape[1]:
            detail = f"a row gets {longest + 1} blocks; there is room for {tables_RM.shape[1]}"
            raise InvariantViolation("table_too_long", detail)
        tables_RM[growth.rows, growth.ends] = growth.blocks

    def stand(self, row: Row) -> None:
        """From the next step on the row advances by itself."""
        self.standing[row.number] = row

    def select_tables(self, rows: Sequence[Row], num_blocks: int) -> list[Tensor]:
        """Per state group, the first blocks of these rows; the same tensors again where nothing has changed, as in most
        steps of few rows."""
        numbers = [row.number for row in rows]
        if self._selected[:2] != (numbers, num_blocks):
            tables = [torch.from_numpy(tables_RM[numbers, :num_blocks]) for tables_RM in self.tables_RM]
            self._selected = (numbers, num_blocks, tables)
        return self._selected[2]

    def match(self, entry: StepEntry) -> Row:
        """The row of an entry, checked to be where the entry says."""
        row = self.get(entry.row)
        if entry.row in self.standing or entry.start != row.computed:
            detail = f"row {entry.row}: an entry from {entry.start}, {row.computed} units are computed"
            raise InvariantViolation("position_gap", detail)
        return row

    def forget(self) -> None:
        """Give up all."""
        self.held.clear()
        self.standing.clear()
        self._lost.clear()

    def lose(self, step: Step) -> None:
        """A step was not executed: its removals hold; its additions do not, and may be removed later."""
        for number in step.removed:
            self.held.pop(number, None)
            self.standing.pop(number, None)
        for admission in step.added:
            self.held.pop(admission.row, None)
            self._lost.add(admission.row)
