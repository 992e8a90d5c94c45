"""One unit of work for an executor, and what came of it.

A step is a *delta*. A sequence that takes part in steps holds a *row*. Most rows *stand*: in every step
that `advances`, each standing row computes one unit (its latest token) and emits one token, without being
mentioned. Everything else is said explicitly. An executor keeps per row what it was told (request, block
tables, position) and applies a step's parts in the order of the fields of `Step`, `grown` with `tables`.

A step names positions. Tokens are only sent where the executor did not produce them itself: on admission,
and where a client of `fork` chose them.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weft.contracts.record import record
from weft.contracts.requests import Request

HOLE = -1
"""In a block table: the block at this index left the window and is no longer held."""


@record
class Admission:
    """A sequence takes a row.

    `output_tokens`: those already known (after a preemption). `num_computed`: units whose state is in the
    tables' blocks. `tables`: per state group, the block numbers held (paged: one per block of tokens, or
    `HOLE`; constant: one; encoder: those of all items in order).
    """

    row: int
    sequence_number: int
    request: Request
    sample_index: int
    output_tokens: tuple[int, ...]
    num_computed: int
    tables: tuple[tuple[int, ...], ...]


@record
class TableChange:
    """The table of `row` in state group `group` becomes `blocks` from index `first` on, and ends with them."""

    row: int
    group: int
    first: int
    blocks: tuple[int, ...]


@record
class TableGrowth:
    """Standing rows that begin a block: in state group `group` the table of each of `rows` gets one of `blocks`, at the
    index in `ends`, where it ended."""

    group: int
    rows: Sequence[int]
    ends: Sequence[int]
    blocks: Sequence[int]

    def changes(self) -> Iterator[TableChange]:
        """The same, one by one."""
        for row, end, block in zip(self.rows, self.ends, self.blocks, strict=True):
            yield TableChange(row, self.group, end, (block,))

    def without(self, row: int) -> "TableGrowth":
        """The same for the other rows."""
        kept = [index for index, other in enumerate(self.rows) if other != row]
        columns = ([column[index] for index in kept] for column in (self.rows, self.ends, self.blocks))
        return TableGrowth(self.group, *columns)


class BlockCopy(NamedTuple):
    """Block `source` of a state group is copied to block `target` before anything is computed."""

    group: int
    source: int
    target: int


class EncodeEntry(NamedTuple):
    """Media item `item` of the request in `row` is encoded into `blocks` of encoder group `group`."""

    row: int
    group: int
    item: int
    blocks: tuple[int, ...]


class Draft(NamedTuple):
    """Guessed tokens to verify, as a tree.

    `parents[i]` is the index of the node before node i, or -1 for the sequence's last known token.
    `state_blocks`: per state group that is constant, one block per node for the state after that node
    (empty tuples for the other groups).
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    state_blocks: tuple[tuple[int, ...], ...] = ()


@record
class StepEntry:
    """Work on one row that does not stand.

    Computes units `start` to `start + num_units` (exclusive). `emits`: the last unit's output is sampled, or,
    where `num_candidates` is above 0, that many most likely next tokens are reported instead. `stands`:
    from the next step on the row stands. `chosen`: tokens at positions from `start` that a client chose.
    With a `draft` its nodes occupy the slots after the last unit, in node order; the executor verifies
    them and leaves the accepted path's state in consecutive slots.
    """

    row: int
    start: int
    num_units: int
    emits: bool
    stands: bool = False
    num_candidates: int = 0
    chosen: tuple[int, ...] = ()
    draft: Draft | None = None


@record
class Step:
    """What the executor does next; see the module's text. `num_tokens` counts all units computed. `grown`: what
    happens most often to tables, in few words."""

    number: int
    weights_version: int
    num_tokens: int
    removed: tuple[int, ...]
    paused: tuple[int, ...]
    added: tuple[Admission, ...]
    tables: tuple[TableChange, ...]
    copies: tuple[BlockCopy, ...]
    encodes: tuple[EncodeEntry, ...]
    advances: bool
    entries: tuple[StepEntry, ...]
    grown: tuple[TableGrowth, ...] = ()


class Candidate(NamedTuple):
    """A possible next token and its log-probability."""

    token: int
    logprob: float


class TokenLogprobs(NamedTuple):
    """Log-probability of an emitted token under the model's own distribution, and the likeliest tokens there."""

    token: int
    logprob: float
    likeliest: tuple[Candidate, ...] = ()


class PromptPart(NamedTuple):
    """What a step found out about the prompt of a row whose request asked.

    `logprobs`: of the prompt's tokens at positions from `first` on. `embedding`: the prompt's vector (float32),
    with the step that computed the last of it.
    """

    first: int
    logprobs: tuple[TokenLogprobs, ...] = ()
    embedding: "array[float] | None" = None


class Verification(NamedTuple):
    """Outcome of a draft: the accepted nodes in order of depth, and their tokens plus the one after them."""

    accepted: tuple[int, ...]
    tokens: tuple[int, ...]


class _NoRows(dict[int, Any]):
    """What a step that says nothing of single rows says of each matter; it is shared, and a default of records."""

    def __hash__(self) -> int:  # type: ignore[override]  # a dictionary has none
        return 0


NO_ROWS: Mapping[int, Any] = _NoRows()


@record
class StepResult:
    """What a step produced.

    `tokens[row]` is the token that the row emitted; other rows' values mean nothing. `finished`: rows whose
    (last) token is one that ends the sequence; the engine knows the length limits itself. `verified`: per row
    that had a draft. `candidates`: per row that asked. `logprobs`: of the emitted tokens in order, per row
    whose request asked and that emitted. `prompts`: per row that computed some of a prompt about which its
    request asked. `failed`: why rows that emitted cannot go on; their requests fail, nobody else's.
    """

    number: int
    tokens: Sequence[int]
    finished: tuple[int, ...] = ()
    verified: Mapping[int, Verification] = NO_ROWS
    candidates: Mapping[int, tuple[Candidate, ...]] = NO_ROWS
    logprobs: Mapping[int, tuple[TokenLogprobs, ...]] = NO_ROWS
    prompts: Mapping[int, PromptPart] = NO_ROWS
    failed: Mapping[int, str] = NO_ROWS
