"""Blocks of one state group on the device: who holds which, and which content can be found again.

A block is *free* (content worthless), *held* (by references), or *idle*: held by nobody, but its content
is published under a key and can be taken up again until the retain policy gives it up.
"""

from collections.abc import Iterable, Sequence

from weft.contracts.errors import InvariantViolation, PolicyError
from weft.contracts.policies import (
    BlockEvent,
    BlocksCached,
    BlocksEvicted,
    BlocksIdled,
    BlocksReused,
    RetainPolicy,
)
from weft.contracts.requests import Request
from weft.contracts.state import Owner
from weft.contracts.steps import HOLE
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

ALLOCATE = declare_fault_point("pool.allocate", "taking blocks from a pool")
PUBLISH = declare_fault_point("pool.publish", "making a full block findable by its key")

EVICTED = sometimes("pool: cached blocks were evicted")
REUSED = sometimes("pool: idle cached blocks were taken up again")


class BlockPool:
    """A fixed number of blocks with owners, reference counts and an index by content key.

    `num_available`: how many an allocation could have, the free and the idle ones. `owners`: for whom each block was
    allocated last.
    """

    def __init__(self, num_blocks: int, retain: RetainPolicy) -> None:
        self.num_blocks = num_blocks
        self.references = [0] * num_blocks
        self.owners: list[Owner | None] = [None] * num_blocks
        self.keys: list[bytes | None] = [None] * num_blocks
        self._index: dict[bytes, int] = {}
        self._free = list(range(num_blocks - 1, -1, -1))
        self.num_available = num_blocks
        self.retain = retain
        self._tells_cached = BlocksCached in retain.observes
        self._retain_failure: PolicyError | None = None

    @property
    def num_held(self) -> int:
        """Blocks that somebody holds."""
        return self.num_blocks - self.num_available

    def allocate(self, owner: Owner, count: int) -> list[int] | None:
        """`count` blocks with one reference each, or None where there is no room."""
        return self.allocate_each([owner] * count)

    def allocate_each(self, owners: list[Owner]) -> list[int] | None:
        """A block with one reference for each owner, or None where there is no room for all."""
        fault(ALLOCATE)
        if self._retain_failure is not None:
            raise self._retain_failure
        count, free = len(owners), self._free
        if count > self.num_available:
            return None
        if count > len(free):
            self._evict(count - len(free))
        first = len(free) - count
        blocks = free[first:]
        del free[first:]
        return self._take(blocks, owners)

    def allocate_run(self, owner: Owner, count: int) -> list[int] | None:
        """`count` blocks with consecutive numbers, first fit, or None: how servers before paging reserved."""
        fault(ALLOCATE)
        run: list[int] = []
        for block in sorted(self._free):
            run = [*run, block] if run and block == run[-1] + 1 else [block]
            if len(run) == count:
                self._free = [other for other in self._free if not run[0] <= other <= block]
                return self._take(run, [owner] * count)
        return None

    def longest_run(self) -> int:
        """Length of the longest run of free blocks with consecutive numbers."""
        longest = length = 0
        before = -1
        for block in sorted(self._free):
            length = length + 1 if block == before + 1 else 1
            before, longest = block, max(longest, length)
        return longest

    def _take(self, blocks: list[int], owners: list[Owner]) -> list[int]:
        self.num_available -= len(blocks)
        references, owner_of = self.references, self.owners
        for position, block in enumerate(blocks):
            references[block] = 1
            owner_of[block] = owners[position]
        return blocks

    def _evict(self, count: int) -> None:
        try:
            victims = self.retain.decide(count)
        except Exception as error:
            raise self._blame(f"raised {type(error).__name__}: {error}") from error
        for block in victims:
            self._give_up(block)
        if len(victims) != count:
            raise self._blame(f"was asked for {count} idle blocks and gave {len(victims)}")
        self._tell(BlocksEvicted(victims))
        EVICTED.hit()

    def _give_up(self, block: int) -> None:
        if not 0 <= block < self.num_blocks or self.references[block] or (key := self.keys[block]) is None:
            raise self._blame(f"gave up block {block}, which is not idle")
        del self._index[key]
        self.keys[block] = None
        self._free.append(block)

    def _tell(self, event: BlockEvent) -> None:
        """Let the policy know. If it fails, blocks still change hands as they must, and allocations say why not."""
        try:
            self.retain.observe(event)
        except Exception as error:
            self._retain_failure = self._blame(f"observe raised {type(error).__name__}: {error}")

    def _blame(self, problem: str) -> PolicyError:
        return PolicyError(type(self.retain).__name__, problem)

    def share(self, blocks: Sequence[int]) -> None:
        """Add a reference to each block."""
        idle = [block for block in blocks if not self.references[block]]
        for block in blocks:
            self.references[block] += 1
        if idle:
            self.num_available -= len(idle)
            self._tell(BlocksReused(idle))
            REUSED.hit()

    def release(self, blocks: list[int]) -> None:
        """Drop a reference to each block; of cached ones, the first given is the first to be forgotten."""
        references, keys, free, idle = self.references, self.keys, self._free, list[int]()
        num_free, num_worthless = len(free), self._free_worthless(blocks)
        for block in blocks[num_worthless:]:
            if references[block] == 1:
                references[block] = 0
                (free if keys[block] is None else idle).append(block)
            else:
                self._drop_reference(block)
        self.num_available += len(free) - num_free + len(idle)
        if idle:
            self._tell(BlocksIdled(idle))

    def _free_worthless(self, blocks: list[int]) -> int:
        """Free the leading ones that nobody else holds and nobody can find, which mostly are all; returns how many."""
        references, keys, count = self.references, self.keys, len(blocks)
        for index, block in enumerate(blocks):
            if references[block] != 1 or keys[block] is not None:
                count = index
                break
            references[block] = 0
        self._free += blocks if count == len(blocks) else blocks[:count]
        return count

    def _drop_reference(self, block: int) -> None:
        self.references[block] -= 1
        if self.references[block] < 0:
            raise InvariantViolation("blocks_conserved", f"block {block} was released more often than held")

    def publish(self, blocks: Sequence[int], keys: Iterable[bytes], request: Request, first: int) -> None:
        """Let each key find its block. Where another block already has the key, this one stays private.

        `request`: whose content it is, from block `first` of its sequence on.
        """
        fault(PUBLISH)
        index, key_of = self._index, self.keys
        for block, key in zip(blocks, keys, strict=True):
            if block != HOLE and key not in index:
                index[key] = block
                key_of[block] = key
        if self._tells_cached:
            self._tell_cached(blocks, request, first)

    def _tell_cached(self, blocks: Sequence[int], request: Request, first: int) -> None:
        for position, block in enumerate(blocks, first):
            if block != HOLE and self.keys[block] is not None:
                self._tell(BlocksCached([block], request, position))

    def lookup(self, key: bytes) -> int | None:
        """The block with the content of `key`, held or idle; None where there is none."""
        return self._index.get(key)

    def is_shared(self, block: int) -> bool:
        """Whether somebody else could see a write to this block."""
        return self.references[block] > 1

    def num_idle_of(self, blocks: Iterable[int]) -> int:
        """How many of the blocks are idle, so that taking them up shrinks what is available."""
        return sum(not self.references[block] for block in blocks)

    def check(self, expected_references: Sequence[int]) -> None:
        """Compare with the references that tables and pins account for; raise `InvariantViolation`."""
        for block, (held, expected) in enumerate(zip(self.references, expected_references, strict=True)):
            if held != expected:
                raise InvariantViolation(
                    "references_match",
                    f"block {block} ({self.owners[block]}) has {held} references, {expected} found",
                )
        free = dict.fromkeys(self._free)
        idle = [b for b, key in enumerate(self.keys) if key is not None and not self.references[b]]
        if len(free) != len(self._free) or any(self.references[block] or self.keys[block] for block in free):
            raise InvariantViolation("blocks_conserved", "the free list repeats a block or holds one in use")
        if len(free) + len(idle) + sum(count > 0 for count in self.references) != self.num_blocks:
            raise InvariantViolation("blocks_conserved", "free, idle and held blocks do not add up")
        if len(idle) + len(free) != self.num_available or any(
            self._index.get(self.keys[b] or b"") != b for b in idle
        ):
            raise InvariantViolation("index_consistent", "the prefix index and the idle blocks disagree")
