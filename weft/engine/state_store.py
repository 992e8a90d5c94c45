"""All state of one replica: every group's pool and tables, behind operations on whole sequences.

Either every group gets what a sequence needs, or none does.
"""

from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from itertools import chain

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import HOLE
from weft.engine.config import EngineConfig, Reservation
from weft.engine.constant_state import ConstantState
from weft.engine.deferred import Deferred
from weft.engine.encoder_state import EncoderState
from weft.engine.group_state import GroupState
from weft.engine.make_groups import make_groups
from weft.engine.paged_state import PagedState
from weft.engine.prefix_keys import PrefixKeys
from weft.engine.sequence import Sequence
from weft.engine.step_plan import Snapshot, StepPlan
from weft.observation.conditions import sometimes

FULL = sometimes("pool: a running sequence found no room")

WATERMARK_FRACTION = 0.01
"""Share of a pool kept free at admission while others run, so that they can grow a little before anyone must
give way (the value of vLLM's `watermark`)."""


class StateStore:
    """The pools and tables of every state group in the layout."""

    def __init__(self, config: EngineConfig, numeric_fingerprint: str, deferred: Deferred) -> None:
        self.layout = config.layout
        self.block_tokens = config.layout.block_tokens
        self.keys = PrefixKeys(numeric_fingerprint, self.block_tokens)
        self._deferred = deferred
        self.caches_prefixes = config.prefix_caching and config.reservation is Reservation.PAGED
        self.groups = make_groups(config, self.keys, deferred)
        self._unlimited = [g for g in self.groups if isinstance(g, PagedState) and g.window_tokens is None]
        self._others = [g for g in self.groups if g not in self._unlimited]
        self.loses_state_early = bool(self._others)
        self.constant = [g for g in self.groups if isinstance(g, ConstantState)]
        self.encoders = [g for g in self.groups if isinstance(g, EncoderState)]

    def prepare(self, sequence: Sequence) -> None:
        """Give a sequence without state its empty tables."""
        if not sequence.tables:
            sequence.tables = [[] for _ in self.groups]

    def find_prefix(self, sequence: Sequence) -> int:
        """How many whole blocks of a sequence's known tokens are cached, at least one token left over."""
        if not self.caches_prefixes or (sequence.is_private and not sequence.keys):
            return 0
        limit = sequence.num_skippable // self.block_tokens
        keys = self.keys.extend(sequence, limit)[:limit]
        for group in self._unlimited:
            keys = keys[: group.longest_prefix(keys)]
        for length in range(len(keys), 0, -1):
            if all(group.has_prefix(sequence, keys, length) for group in self._others):
                return length
        return 0

    def can_admit(self, sequence: Sequence, num_blocks: int, *, others_run: bool) -> bool:
        """Whether all known tokens of a waiting sequence fit behind a cached prefix of `num_blocks`."""
        for group in self.groups:
            needed = group.admission_blocks(sequence, num_blocks)
            if needed + self._spare(group, others_run=others_run) > group.pool.num_available:
                return False
        return all(group.has_run(sequence) for group in self.groups)

    def _spare(self, group: GroupState, *, others_run: bool) -> int:
        return int(group.pool.num_blocks * WATERMARK_FRACTION) if others_run else 0

    def adopt(self, sequence: Sequence, num_blocks: int, plan: StepPlan) -> None:
        """Take up a cached prefix of whole blocks."""
        if num_blocks:
            for group in self.groups:
                group.adopt(sequence, num_blocks, plan)
        sequence.base_computed = num_blocks * self.block_tokens
        sequence.num_published = num_blocks

    def has_room(self, sequence: Sequence, start: int, end: int) -> bool:
        """Whether every group can hold units `start` to `end` now."""
        for group in self.groups:
            if not group.has_room(sequence, start, end):
                return False
        return True

    def will_have_room(self, sequence: Sequence, start: int, end: int, yielding: Iterable[Sequence]) -> bool:
        """Whether every group can hold them once steps under way have returned and `yielding` has given way."""
        victims = list(yielding)
        return all(
            group.missing(sequence, start, end)
            <= group.pool.num_available + self._coming_back(group, victims)
            for group in self.groups
        )

    def _coming_back(self, group: GroupState, victims: list[Sequence]) -> int:
        """Blocks of which every reference is about to be dropped."""
        dropped: dict[int, int] = {}
        pinned = (blocks for pool, blocks in self._deferred.pinned() if pool is group.pool)
        for blocks in chain(pinned, (group.held(victim) for victim in victims)):
            for block in blocks:
                dropped[block] = dropped.get(block, 0) + 1
        return sum(count == group.pool.references[block] for block, count in dropped.items())

    def grow(self, sequence: Sequence, start: int, end: int, plan: StepPlan) -> bool:
        """Make room for units `start` to `end` in every group, or change nothing and return False."""
        self.trim(sequence, start)
        if not self.has_room(sequence, start, end):
            FULL.hit()
            return False
        for group in self.groups:
            group.grow(sequence, start, end, plan)
        return True

    def extend_each(self, sequences: list[Sequence], plan: StepPlan) -> bool:
        """Give each of these standing sequences, all about to begin a new block, that block.

        False, changing nothing, where that takes more than a block each or there is no room for all: then
        `grow` decides for each alone.
        """
        if not self.can_extend(len(sequences)):
            return False
        owners = [sequence.owner for sequence in sequences]
        for group in self._unlimited:
            group.extend_each(sequences, owners, plan)
        return True

    def can_extend(self, count: int) -> bool:
        """Whether so many standing sequences can begin a block, and that takes a block each."""
        if self._others:
            return False
        for group in self._unlimited:
            if group.pool.num_available < count:
                return False
        return True

    def trim(self, sequence: Sequence, start: int) -> None:
        """Give up what units from `start` on no longer see."""
        for group in self._others:
            group.trim(sequence, start)

    def take_snapshots(self, sequence: Sequence, start: int, plan: StepPlan) -> None:
        """Copy the state before unit `start` in every group that keeps snapshots and has one due there."""
        if self.constant and self.caches_prefixes and not sequence.mixes_weights:
            for group in self.constant:
                group.take_snapshot(sequence, start, plan)

    def has_room_for_draft(self, count: int) -> bool:
        """Whether the states after `count` drafted tokens, and a snapshot before them, have room."""
        return all(group.pool.num_available > count for group in self.constant)

    def reserve_draft(self, sequence: Sequence, count: int) -> tuple[tuple[int, ...], ...]:
        """Per group the blocks for the states after `count` drafted tokens; there is room for them."""
        reserved: list[tuple[int, ...]] = [()] * len(self.groups)
        try:
            for group in self.constant:
                reserved[group.index] = group.reserve_draft(sequence, count)
        except Exception:
            for group in self.constant:
                group.pool.release(list(reserved[group.index]))
            raise
        return tuple(reserved)

    def snapshot_boundary(self, num_tokens: int) -> int:
        """The last position up to `num_tokens` where some group wants a snapshot; 0: none does."""
        if not self.caches_prefixes or not self.constant:
            return 0
        return max(group.last_boundary(num_tokens) for group in self.constant)

    def publish(self, sequence: Sequence, num_units: int) -> None:
        """As `keep`, for others to find. Of a private sequence there is nothing that anybody could look for."""
        if not sequence.is_private:
            self.keep(sequence, num_units)

    def keep(self, sequence: Sequence, num_units: int) -> None:
        """Let the full blocks among the first `num_units` computed units be found by their content."""
        last = min(num_units, sequence.prompt_tokens + len(sequence.output)) // self.block_tokens
        first = sequence.num_published
        if last <= first or not self.caches_prefixes or sequence.mixes_weights:
            return
        self.keys.extend(sequence, last)
        for group in self.groups:
            group.publish(sequence, first, last)
        sequence.num_published = last

    def publish_snapshot(self, snapshot: Snapshot) -> None:
        """Let a snapshot, now written, be found; or forget it where its sequence ended before that point."""
        sequence, known = snapshot.sequence, snapshot.sequence.prompt_tokens + len(snapshot.sequence.output)
        try:
            if known >= snapshot.num_blocks * self.block_tokens and not sequence.mixes_weights:
                key = self.keys.extend(sequence, snapshot.num_blocks)[snapshot.num_blocks - 1]
                snapshot.pool.publish([snapshot.block], [key], sequence.request, snapshot.num_blocks - 1)
        finally:
            snapshot.pool.release([snapshot.block])

    def truncate(self, sequence: Sequence, num_units: int) -> None:
        """Give up the state of units from `num_units` on."""
        for group in self.groups:
            group.truncate(sequence, num_units)

    def fork(self, parent: Sequence, child: Sequence, plan: StepPlan) -> bool:
        """Give the child all of the parent's state, or none."""
        self.prepare(child)
        for group in self.groups:
            if not group.fork(parent, child, plan):
                self.release(child)
                return False
        child.keys = list(parent.keys)
        child.num_published = parent.num_published
        child.mixes_weights = parent.mixes_weights
        return True

    def release(self, sequence: Sequence) -> None:
        """Give up all of a sequence's state on the device."""
        for group in self.groups:
            group.release(sequence)
        sequence.tables = []

    def restore(self, sequence: Sequence, shape: SequenceOf[SequenceOf[int]], *, others_run: bool) -> bool:
        """Allocate tables of the same shape as those of swapped state, or change nothing and return False.

        Room to go on must be there too, or it would have to give way again at once.
        """
        counts = [sum(block != HOLE for block in table) for table in shape]
        for group, table in zip(self.groups, shape, strict=True):
            needed = group.blocks_to_restore(sequence, table)
            if needed + self._spare(group, others_run=others_run) > group.pool.num_available:
                return False
        self.prepare(sequence)
        for group, table, count in zip(self.groups, shape, counts, strict=True):
            blocks = group.pool.allocate(sequence.owner, count) or []
            if len(blocks) != count:
                raise InvariantViolation("room_checked", f"{sequence}: {count} blocks were promised")
            fresh = iter(blocks)
            sequence.tables[group.index] = [HOLE if block == HOLE else next(fresh) for block in table]
        return True

    def used_blocks(self) -> int:
        """Blocks that somebody holds, over all groups."""
        held = 0
        for group in self.groups:
            held += group.pool.num_blocks - group.pool.num_available
        return held

    def swappable(self, sequence: Sequence) -> list[list[int]]:
        """Per group the table entries worth moving to another tier; encoder outputs are made anew."""
        return [
            [] if isinstance(group, EncoderState) else list(sequence.tables[group.index])
            for group in self.groups
        ]

    def count_swappable(self, sequence: Sequence) -> list[int]:
        """Per group how many blocks a move to another tier takes."""
        tables = self.swappable(sequence) if sequence.tables else []
        return [sum(block != HOLE for block in table) for table in tables]
