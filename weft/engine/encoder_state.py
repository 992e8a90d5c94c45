"""Outputs of media encoders, shared by content hash and held from encoding until the prompt has used them."""

from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvariantViolation
from weft.contracts.prompts import MediaItem
from weft.contracts.requests import Request
from weft.contracts.state import Owner, OwnerKind
from weft.contracts.steps import HOLE
from weft.engine.block_pool import BlockPool
from weft.engine.deferred import Deferred
from weft.engine.group_state import GroupState
from weft.engine.paged_state import blocks_for
from weft.engine.prefix_keys import PrefixKeys
from weft.engine.sequence import Sequence
from weft.engine.step_plan import StepPlan
from weft.observation.conditions import sometimes

ENCODED = sometimes("state: a media item was encoded")
ENCODING_SHARED = sometimes("state: an encoder output was found by its content")


class EncoderState(GroupState):
    """The table holds the blocks of all media items in order, holes where an item's are not held. An item is
    shared whole or not at all."""

    def __init__(
        self, index: int, pool: BlockPool, block_tokens: int, deferred: Deferred, keys: PrefixKeys
    ) -> None:
        super().__init__(index, pool, block_tokens, deferred)
        self._keys = keys

    def _spans(self, sequence: Sequence) -> Iterator[tuple[int, MediaItem, int, int]]:
        """Each item with its number and its range in the table."""
        first = 0
        for number, item in enumerate(sequence.request.prompt.media):
            last = first + blocks_for(item.num_tokens, self.block_tokens)
            yield number, item, first, last
            first = last

    def _item_keys(self, sequence: Sequence, item: MediaItem, count: int) -> list[bytes]:
        key = self._keys.media_key(sequence.request, item.content_hash + b"/%d" % item.num_tokens)
        return [key + b"%d" % part for part in range(count)]

    def _find(self, sequence: Sequence, item: MediaItem, count: int) -> list[int] | None:
        found = [self.pool.lookup(key) for key in self._item_keys(sequence, item, count)]
        blocks = [block for block in found if block is not None]
        return blocks if len(blocks) == count else None

    def _needed(self, sequence: Sequence, start: int, end: int) -> Iterator[tuple[int, MediaItem, int, int]]:
        """Items that units `start` to `end` read and whose output the sequence does not hold."""
        if not sequence.request.prompt.media:
            return
        table = sequence.tables[self.index]
        for span in self._spans(sequence):
            _, item, first, _ = span
            if (
                item.start < end
                and item.start + item.num_tokens > start
                and (not table or table[first] == HOLE)
            ):
                yield span

    def peak_blocks(self, total_tokens: int, request: Request) -> int:
        return sum(blocks_for(item.num_tokens, self.block_tokens) for item in request.prompt.media)

    def has_prefix(self, sequence: Sequence, keys: SequenceOf[bytes], num_blocks: int) -> bool:
        return True

    def admission_blocks(self, sequence: Sequence, num_blocks: int) -> int:
        return self.peak_blocks(sequence.num_known, sequence.request)

    def adopt(self, sequence: Sequence, num_blocks: int, plan: StepPlan) -> None:
        """Nothing: items are looked up when the first unit that reads them is computed."""

    def encode_tokens(self, sequence: Sequence, start: int, end: int) -> list[tuple[int, int]]:
        """Start and length of the items to encode before units `start` to `end`, those found left out."""
        return [
            (item.start, item.num_tokens)
            for _, item, first, last in self._needed(sequence, start, end)
            if self._find(sequence, item, last - first) is None
        ]

    def missing(self, sequence: Sequence, start: int, end: int) -> int:
        count = 0
        for _, item, first, last in self._needed(sequence, start, end):
            found = self._find(sequence, item, last - first)
            count += last - first if found is None else self.pool.num_idle_of(found)
        return count

    def grow(self, sequence: Sequence, start: int, end: int, plan: StepPlan) -> None:
        if not sequence.tables[self.index]:
            sequence.tables[self.index] = [HOLE] * self.peak_blocks(0, sequence.request)
        needed = list(self._needed(sequence, start, end))
        if not needed:
            return
        table = sequence.tables[self.index]
        missing = []
        for span in needed:  # what is found is held before anything is allocated, which might evict it
            _, item, first, last = span
            found = self._find(sequence, item, last - first)
            if found is None:
                missing.append(span)
                continue
            self.pool.share(found)
            table[first:last] = found
            ENCODING_SHARED.hit()
        for number, item, first, last in missing:
            table[first:last] = self._encode(sequence, number, item, last - first, plan)
        changed = needed[0][2]
        plan.change_table(sequence, self.index, changed, table[changed:])

    def _encode(
        self, sequence: Sequence, number: int, item: MediaItem, count: int, plan: StepPlan
    ) -> list[int]:
        blocks = self.pool.allocate(Owner(OwnerKind.ENCODER_OUTPUT, sequence.number), count)
        if blocks is None:
            raise InvariantViolation("room_checked", f"{sequence}: {count} encoder blocks are not there")
        keys = self._item_keys(sequence, item, count)
        plan.encode(sequence, self.index, number, blocks, keys, self.pool)
        ENCODED.hit()
        return blocks

    def trim(self, sequence: Sequence, start: int) -> None:
        table = sequence.tables[self.index]
        for _, item, first, last in self._spans(sequence) if table else ():
            if item.start + item.num_tokens <= start and table[first] != HOLE:
                self.deferred.release(sequence.last_step, self.pool, table[first:last][::-1])
                table[first:last] = [HOLE] * (last - first)

    def fork(self, parent: Sequence, child: Sequence, plan: StepPlan) -> bool:
        child.tables[self.index] = list(parent.tables[self.index])
        self.pool.share(self.held(child))
        return True
