"""State of fixed size that each token overwrites: recurrent layers, with snapshots at block boundaries."""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvariantViolation
from weft.contracts.requests import Request
from weft.contracts.state import Owner, OwnerKind
from weft.engine.block_pool import BlockPool
from weft.engine.deferred import Deferred
from weft.engine.group_state import GroupState
from weft.engine.sequence import Sequence
from weft.engine.step_plan import Snapshot, StepPlan
from weft.observation.conditions import sometimes

SNAPSHOT_TAKEN = sometimes("state: a snapshot of recurrent state was taken")
SNAPSHOT_USED = sometimes("state: a sequence went on from a snapshot")


class ConstantState(GroupState):
    """One live block per sequence. A snapshot is a copy of it that somebody else can start from."""

    def __init__(
        self, index: int, pool: BlockPool, block_tokens: int, deferred: Deferred, snapshot_blocks: int
    ) -> None:
        super().__init__(index, pool, block_tokens, deferred)
        self._snapshot_tokens = snapshot_blocks * block_tokens
        self._snapshot_blocks = snapshot_blocks

    def peak_blocks(self, total_tokens: int, request: Request) -> int:
        return 1

    def has_prefix(self, sequence: Sequence, keys: SequenceOf[bytes], num_blocks: int) -> bool:
        if num_blocks == 0:
            return True
        return num_blocks % self._snapshot_blocks == 0 and self.pool.lookup(keys[num_blocks - 1]) is not None

    def admission_blocks(self, sequence: Sequence, num_blocks: int) -> int:
        snapshot = self.pool.lookup(sequence.keys[num_blocks - 1]) if num_blocks else None
        return 1 if snapshot is None else 1 + self.pool.num_idle_of([snapshot])

    def adopt(self, sequence: Sequence, num_blocks: int, plan: StepPlan) -> None:
        if num_blocks == 0:
            return
        snapshot = self.pool.lookup(sequence.keys[num_blocks - 1])
        if snapshot is None:
            raise InvariantViolation("prefix_found", f"{sequence}: a snapshot vanished before it was used")
        self.pool.share([snapshot])
        try:
            (live,) = sequence.tables[self.index] = self._allocate(sequence.owner, 1)
        except Exception:
            self.pool.release([snapshot])
            raise
        self.deferred.release(plan.number, self.pool, [snapshot])
        plan.copy(sequence, self.index, snapshot, live)
        SNAPSHOT_USED.hit()

    def _allocate(self, owner: Owner, count: int) -> list[int]:
        blocks = self.pool.allocate(owner, count)
        if blocks is None:
            raise InvariantViolation(
                "room_checked", f"{owner}: {count} blocks were promised and are not there"
            )
        return blocks

    def missing(self, sequence: Sequence, start: int, end: int) -> int:
        return 0 if sequence.tables[self.index] else 1

    def grow(self, sequence: Sequence, start: int, end: int, plan: StepPlan) -> None:
        if not sequence.tables[self.index]:
            live = self._allocate(sequence.owner, 1)
            sequence.tables[self.index] = live
            plan.change_table(sequence, self.index, 0, live)

    def take_snapshot(self, sequence: Sequence, start: int, plan: StepPlan) -> None:
        """Copy the state before unit `start`, where that is a boundary and a block is free for it."""
        table, num_blocks = sequence.tables[self.index], start // self.block_tokens
        if not start or start % self._snapshot_tokens or not table or not self.pool.num_available:
            return
        if len(sequence.keys) >= num_blocks and self.pool.lookup(sequence.keys[num_blocks - 1]) is not None:
            return
        (block,) = self._allocate(Owner(OwnerKind.SNAPSHOT, sequence.number), 1)
        plan.snapshots.append(Snapshot(sequence, self.pool, block, num_blocks))
        plan.copy(sequence, self.index, table[0], block)
        SNAPSHOT_TAKEN.hit()

    def last_boundary(self, num_tokens: int) -> int:
        """The last position up to `num_tokens` at which a snapshot can be taken."""
        return num_tokens // self._snapshot_tokens * self._snapshot_tokens

    def reserve_draft(self, sequence: Sequence, count: int) -> tuple[int, ...]:
        """Blocks for the states after `count` drafted tokens; there is room for them."""
        return tuple(self._allocate(sequence.owner, count))

    def settle_draft(
        self, sequence: Sequence, blocks: tuple[int, ...], last: int | None, plan: StepPlan
    ) -> None:
        """Keep the state after accepted node `last` (None: after no node) and give up the others."""
        if last is None:
            self.pool.release(list(blocks))
            return
        old = sequence.tables[self.index][0]
        sequence.tables[self.index][0] = blocks[last]
        plan.change_table(sequence, self.index, 0, (blocks[last],))
        self.pool.release([old, *(block for node, block in enumerate(blocks) if node != last)])

    def fork(self, parent: Sequence, child: Sequence, plan: StepPlan) -> bool:
        blocks = self.pool.allocate(child.owner, 1)
        if blocks is None:
            return False
        child.tables[self.index] = blocks
        source = parent.tables[self.index][0]
        plan.copy(child, self.index, source, blocks[0])
        self.pool.share([source])
        self.deferred.release(plan.number, self.pool, [source])
        return True
