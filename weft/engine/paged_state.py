"""State in blocks of tokens: the keys and values of attention, windowed or not."""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvariantViolation
from weft.contracts.requests import Request
from weft.contracts.state import Owner
from weft.contracts.steps import HOLE, TableGrowth
from weft.engine.block_pool import BlockPool
from weft.engine.deferred import Deferred
from weft.engine.group_state import GroupState
from weft.engine.sequence import Sequence
from weft.engine.step_plan import StepPlan
from weft.observation.conditions import sometimes

COPIED_ON_WRITE = sometimes("state: a shared block was copied before a write")
LEFT_WINDOW = sometimes("state: blocks left the attention window")


def blocks_for(num_tokens: int, block_tokens: int) -> int:
    """How many blocks hold `num_tokens` tokens."""
    return -(-num_tokens // block_tokens)


class PagedState(GroupState):
    """A table of blocks per sequence; shared blocks are copied before they are written.

    `window_tokens`: how far back a token sees, or None. `max_step_tokens` bounds how much one step adds.
    """

    def __init__(
        self,
        index: int,
        pool: BlockPool,
        block_tokens: int,
        deferred: Deferred,
        window_tokens: int | None,
        max_step_tokens: int,
    ) -> None:
        super().__init__(index, pool, block_tokens, deferred)
        self.window_tokens = window_tokens
        self._max_step_tokens = max_step_tokens

    def _first_visible(self, position: int) -> int:
        """The first block that a token at `position` sees part of."""
        if self.window_tokens is None:
            return 0
        return max(0, position - self.window_tokens + 1) // self.block_tokens

    def peak_blocks(self, total_tokens: int, request: Request) -> int:
        blocks = blocks_for(total_tokens, self.block_tokens)
        if self.window_tokens is None:
            return blocks
        return min(blocks, blocks_for(self.window_tokens + self._max_step_tokens, self.block_tokens) + 2)

    def has_prefix(self, sequence: Sequence, keys: SequenceOf[bytes], num_blocks: int) -> bool:
        first = self._first_visible(num_blocks * self.block_tokens)
        return all(self.pool.lookup(keys[block]) is not None for block in range(first, num_blocks))

    def longest_prefix(self, keys: SequenceOf[bytes]) -> int:
        """How many leading keys are all cached."""
        for count, key in enumerate(keys):
            if self.pool.lookup(key) is None:
                return count
        return len(keys)

    def _found(self, keys: SequenceOf[bytes], num_blocks: int) -> list[int]:
        first = self._first_visible(num_blocks * self.block_tokens)
        found = [self.pool.lookup(key) for key in keys[first:num_blocks]]
        return [HOLE] * first + [block for block in found if block is not None]

    def admission_blocks(self, sequence: Sequence, num_blocks: int) -> int:
        adopted = [block for block in self._found(sequence.keys, num_blocks) if block != HOLE]
        total = self.peak_blocks(sequence.num_known, sequence.request)
        return max(0, total - len(adopted)) + self.pool.num_idle_of(adopted)

    def adopt(self, sequence: Sequence, num_blocks: int, plan: StepPlan) -> None:
        table = self._found(sequence.keys, num_blocks)
        if len(table) != num_blocks:
            raise InvariantViolation(
                "prefix_found", f"{sequence}: a cached prefix vanished before it was used"
            )
        self.pool.share([block for block in table if block != HOLE])
        sequence.tables[self.index] = table

    def held(self, sequence: Sequence) -> list[int]:
        if self.window_tokens is None and sequence.tables:
            return sequence.tables[self.index]
        return super().held(sequence)

    def blocks_to_restore(self, sequence: Sequence, table: SequenceOf[int]) -> int:
        """With room for all that it knows already, as at admission: with less, a chunk of it that finds no room would
        let it give way again at once, for ever where the others that hold blocks cannot go on."""
        held = super().blocks_to_restore(sequence, table)
        next_unit = held + self._growth(table, sequence.num_computed + 1)
        known = held + self._growth(table, sequence.num_known)
        return max(next_unit, min(known, self.peak_blocks(sequence.num_known, sequence.request)))

    def _growth(self, table: SequenceOf[int], end: int) -> int:
        return max(0, blocks_for(end, self.block_tokens) - len(table))

    def missing(self, sequence: Sequence, start: int, end: int) -> int:
        table, block_tokens = sequence.tables[self.index], self.block_tokens
        first, have, needed = start // block_tokens, len(table), -(-end // block_tokens)
        writes_shared = first < have and self.pool.references[table[first]] > 1
        return (needed - have if needed > have else 0) + writes_shared

    def grow(self, sequence: Sequence, start: int, end: int, plan: StepPlan) -> None:
        table, block_tokens = sequence.tables[self.index], self.block_tokens
        first, length = start // block_tokens, len(table)
        if first < length and self.pool.is_shared(table[first]):
            self._copy_on_write(sequence, first, plan)
        new = -(-end // block_tokens) - length
        if new > 0:
            blocks = self._allocate(sequence, new)
            table += blocks
            plan.change_table(sequence, self.index, length, blocks)

    def extend_each(self, sequences: list[Sequence], owners: list[Owner], plan: StepPlan) -> None:
        """One more block for each; there is room for all."""
        blocks = self.pool.allocate_each(owners)
        if blocks is None:
            raise InvariantViolation("room_checked", f"{len(owners)} blocks were promised and are not there")
        index, rows, ends = self.index, list[int](), list[int]()
        for position, block in enumerate(blocks):
            sequence = sequences[position]
            table = sequence.tables[index]
            rows.append(sequence.row)
            ends.append(len(table))
            table.append(block)
        plan.grown.append(TableGrowth(index, rows, ends, blocks))

    def _allocate(self, sequence: Sequence, count: int) -> list[int]:
        blocks = self.pool.allocate(sequence.owner, count)
        if blocks is None:
            raise InvariantViolation(
                "room_checked", f"{sequence}: {count} blocks were promised and are not there"
            )
        return blocks

    def _copy_on_write(self, sequence: Sequence, index: int, plan: StepPlan) -> None:
        table = sequence.tables[self.index]
        (copy,) = self._allocate(sequence, 1)
        source, table[index] = table[index], copy
        plan.copy(sequence, self.index, source, copy)
        plan.change_table(sequence, self.index, index, (copy,))
        self.deferred.release(plan.number, self.pool, [source])
        COPIED_ON_WRITE.hit()

    def trim(self, sequence: Sequence, start: int) -> None:
        if self.window_tokens is None:
            return
        table, gone = sequence.tables[self.index], []
        for index in range(min(self._first_visible(start), len(table)) - 1, -1, -1):
            if table[index] == HOLE:
                break
            gone.append(table[index])
            table[index] = HOLE
        if gone:
            self.deferred.release(sequence.last_step, self.pool, gone)
            LEFT_WINDOW.hit()

    def publish(self, sequence: Sequence, first: int, last: int) -> None:
        table = sequence.tables[self.index]
        self.pool.publish(table[first:last], sequence.keys[first:last], sequence.request, first)

    def truncate(self, sequence: Sequence, num_units: int) -> None:
        table = sequence.tables[self.index]
        kept = blocks_for(num_units, self.block_tokens)
        if kept < len(table):
            self.pool.release(table[kept:][::-1])
            del table[kept:]

    def fork(self, parent: Sequence, child: Sequence, plan: StepPlan) -> bool:
        child.tables[self.index] = list(parent.tables[self.index])
        self.pool.share(self.held(child))
        return True


class ReservedState(PagedState):
    """A contiguous run of blocks for the longest possible output, taken at once.

    How servers before vLLM kept state (Kwon et al., SOSP 2023, section 3.1); a baseline to compare with.
    """

    def peak_blocks(self, total_tokens: int, request: Request) -> int:
        return blocks_for(request.max_total_tokens, self.block_tokens)

    def missing(self, sequence: Sequence, start: int, end: int) -> int:
        if sequence.tables[self.index]:
            return 0
        return self.peak_blocks(end, sequence.request)

    def has_room(self, sequence: Sequence, start: int, end: int) -> bool:
        return bool(sequence.tables[self.index]) or self.has_run(sequence)

    def has_run(self, sequence: Sequence) -> bool:
        return self.pool.longest_run() >= self.peak_blocks(0, sequence.request)

    def grow(self, sequence: Sequence, start: int, end: int, plan: StepPlan) -> None:
        if not sequence.tables[self.index]:
            run = self.pool.allocate_run(sequence.owner, self.peak_blocks(end, sequence.request))
            if run is None:
                raise InvariantViolation("room_checked", f"{sequence}: the reserved run is not there")
            sequence.tables[self.index] = run

    def truncate(self, sequence: Sequence, num_units: int) -> None:
        """The reservation stands until the sequence ends."""

    def fork(self, parent: Sequence, child: Sequence, plan: StepPlan) -> bool:
        """Reservations cannot be shared: the child computes its own state."""
        return False

    def extend_each(self, sequences: list[Sequence], owners: list[Owner], plan: StepPlan) -> None:
        """The reservation holds already what they need."""
