"""A step while it is being planned, and what is remembered of it until it returns."""

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf

from weft.contracts.state import StateLayout
from weft.contracts.steps import (
    Admission,
    BlockCopy,
    EncodeEntry,
    Step,
    StepEntry,
    TableChange,
    TableGrowth,
)
from weft.engine.block_pool import BlockPool
from weft.engine.sequence import Sequence


class Snapshot:
    """A copy of a sequence's state after `num_blocks` whole blocks, on its way to being findable."""

    __slots__ = ("block", "num_blocks", "pool", "sequence")

    def __init__(self, sequence: Sequence, pool: BlockPool, block: int, num_blocks: int) -> None:
        self.sequence = sequence
        self.pool = pool
        self.block = block
        self.num_blocks = num_blocks


class StepPlan:
    """Collects the parts of the next step. `number` is the step's own."""

    __slots__ = (
        "added",
        "advances",
        "copies",
        "crossed",
        "encodes",
        "ending",
        "entries",
        "explicit",
        "grown",
        "joining",
        "left",
        "media",
        "num_tokens",
        "number",
        "paused",
        "removed",
        "snapshots",
        "tables",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.num_tokens = 0
        self.removed: list[int] = []
        self.paused: list[int] = []
        self.added: list[Admission] = []
        self.tables: list[TableChange] = []
        self.grown: list[TableGrowth] = []
        self.copies: list[BlockCopy] = []
        self.encodes: list[EncodeEntry] = []
        self.entries: list[StepEntry] = []
        self.explicit: dict[int, Sequence] = {}
        self.crossed: dict[int, Sequence] = {}
        self.joining: list[Sequence] = []
        self.ending: list[Sequence] = []
        self.left: list[int] = []
        self.snapshots: list[Snapshot] = []
        self.media: list[tuple[Sequence, BlockPool, int, bytes]] = []
        self.advances = False

    @property
    def has_work(self) -> bool:
        """Whether there is anything for the executor to do now; bookkeeping alone can wait."""
        return self.advances or bool(self.entries or self.copies or self.encodes)

    @property
    def is_blank(self) -> bool:
        """Whether nothing has been put into it yet."""
        return not (self.removed or self.paused or self.added or self.tables or self.left or self.has_work)

    def includes(self, sequence: Sequence) -> bool:
        """Whether the step already counts on the sequence's state."""
        return sequence.number in self.explicit or sequence.number in self.crossed

    def change_table(self, sequence: Sequence, group: int, first: int, blocks: Iterable[int]) -> None:
        """Tell the executor of a table's new part; on admission it is told the whole table anyway."""
        if sequence.is_announced:
            self.tables.append(TableChange(sequence.row, group, first, tuple(blocks)))

    def copy(self, sequence: Sequence, group: int, source: int, target: int) -> None:
        """Copy a block of a sequence's state; what it holds stays put until the step has returned."""
        self.copies.append(BlockCopy(group, source, target))
        sequence.last_step = self.number

    def encode(
        self,
        sequence: Sequence,
        group: int,
        item: int,
        blocks: SequenceOf[int],
        keys: SequenceOf[bytes],
        pool: BlockPool,
    ) -> None:
        """Encode a media item; its blocks can be found by their keys once the step has returned."""
        self.encodes.append(EncodeEntry(sequence.row, group, item, tuple(blocks)))
        self.media += [(sequence, pool, block, key) for block, key in zip(blocks, keys, strict=True)]
        self.num_tokens += sequence.request.prompt.media[item].num_tokens

    def forget(self, sequence: Sequence) -> None:
        """A sequence gives up its row before the step is sealed: nothing planned for it may reach the next holder."""
        row, media = sequence.row, sequence.request.prompt.media
        if self.paused:
            self.paused = [other for other in self.paused if other != row]
        if self.tables:
            self.tables = [change for change in self.tables if change.row != row]
        if self.grown:
            self.grown = [growth.without(row) for growth in self.grown]
        if self.encodes:
            self.num_tokens -= sum(media[each.item].num_tokens for each in self.encodes if each.row == row)
            self.encodes = [encode for encode in self.encodes if encode.row != row]
            self.media = [item for item in self.media if item[0] is not sequence]

    def add_entry(self, sequence: Sequence, entry: StepEntry) -> None:
        """The sequence computes explicit units in this step."""
        self.entries.append(entry)
        self.explicit[sequence.number] = sequence
        self.num_tokens += entry.num_units + (len(entry.draft.tokens) if entry.draft else 0)

    def announce(self, sequence: Sequence, layout: StateLayout) -> None:
        """Tell the executor of a sequence that has taken a row."""
        tables = tuple(tuple(table) for table in sequence.tables)
        output = tuple(sequence.output)
        self.added.append(
            Admission(
                sequence.row,
                sequence.number,
                sequence.request,
                sequence.sample_index,
                output,
                sequence.base_computed,
                tables or ((),) * len(layout.groups),
            )
        )
        sequence.is_announced = True

    def seal(self, weights_version: int) -> Step:
        """The finished step."""
        return Step(
            self.number,
            weights_version,
            self.num_tokens,
            tuple(self.removed),
            tuple(self.paused),
            tuple(self.added),
            tuple(self.tables),
            tuple(self.copies),
            tuple(self.encodes),
            self.advances,
            tuple(self.entries),
            tuple(self.grown),
        )


class FlightRecord:
    """A step under way and what is to be done when it returns.

    `ending`: those for whom it is the last step. `crossed`: those whose state filled a block before it.
    `former`: who held a row at the time, for rows that have changed hands since.
    """

    __slots__ = ("ending", "former", "num_standing", "plan", "planned_s", "step")

    def __init__(self, plan: StepPlan, step: Step, planned_s: float, num_standing: int) -> None:
        self.plan = plan
        self.step = step
        self.planned_s = planned_s
        self.num_standing = num_standing
        self.ending = plan.ending
        self.former: dict[int, Sequence] = {}

    @property
    def is_plain(self) -> bool:
        """Whether it brings the standing rows their tokens, and nothing else."""
        plan = self.plan
        return plan.advances and not (
            plan.entries or plan.left or plan.ending or plan.snapshots or plan.media or self.former
        )
