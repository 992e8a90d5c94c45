"""A block pool under random use, against a model that keeps a plain list of what each holder has."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.state import Owner, OwnerKind
from weft.engine.block_pool import BlockPool
from weft.policies.lru import Lru

NUM_BLOCKS = 7
OWNER = Owner(OwnerKind.SEQUENCE, 1)
REQUEST = Request("r", LengthPrompt(8))
keys = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])


class PoolAgainstModel(RuleBasedStateMachine):
    """`holds`: one list of blocks per holder. `cached`: block by key, the longest unused first."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = BlockPool(NUM_BLOCKS, Lru())
        self.holds: list[list[int]] = []
        self.cached: dict[bytes, int] = {}

    def counts(self) -> list[int]:
        return [sum(hold.count(block) for hold in self.holds) for block in range(NUM_BLOCKS)]

    def held(self) -> int:
        return sum(count > 0 for count in self.counts())

    @rule(count=st.integers(0, NUM_BLOCKS + 1))
    def allocate(self, count: int) -> None:
        before = self.counts()
        blocks = self.pool.allocate(OWNER, count)
        if count > NUM_BLOCKS - self.held():
            assert blocks is None
            return
        assert blocks is not None
        assert len(dict.fromkeys(blocks)) == count
        assert not any(before[block] for block in blocks)
        self.forget(blocks)
        self.holds.append(blocks)

    @rule(count=st.integers(1, 4))
    def allocate_run(self, count: int) -> None:
        free = [
            block
            for block, held in enumerate(self.counts())
            if not held and block not in self.cached.values()
        ]
        fits = [first for first in free if all(first + more in free for more in range(count))]
        run = self.pool.allocate_run(OWNER, count)
        assert run == (list(range(fits[0], fits[0] + count)) if fits else None)
        self.holds += [run] if run else []

    def forget(self, blocks: list[int]) -> None:
        """Blocks that were taken can no longer be found; of those idle, the longest unused went."""
        counts = self.counts()
        idle = [block for block in self.cached.values() if not counts[block]]
        evicted = [block for block in blocks if block in idle]
        assert sorted(evicted) == sorted(idle[: len(evicted)])
        self.cached = {key: block for key, block in self.cached.items() if block not in evicted}

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        hold = self.holds.pop(data.draw(st.integers(0, len(self.holds) - 1)))
        self.pool.release(hold)
        counts = self.counts()
        by_block = {block: key for key, block in self.cached.items()}
        for block in hold:
            if not counts[block] and block in by_block:
                self.cached[by_block[block]] = self.cached.pop(by_block[block])

    @precondition(lambda self: any(self.holds))
    @rule(data=st.data(), key=keys)
    def publish(self, data: st.DataObject, key: bytes) -> None:
        block = data.draw(st.sampled_from([block for hold in self.holds for block in hold]))
        if block in self.cached.values():
            return
        self.pool.publish([block], [key], REQUEST, 0)
        self.cached.setdefault(key, block)

    @rule(wanted=st.lists(keys, min_size=1, max_size=3, unique=True))
    def take_up(self, wanted: list[bytes]) -> None:
        found = [block for key in wanted if (block := self.pool.lookup(key)) is not None]
        assert found == [self.cached[key] for key in wanted if key in self.cached]
        assert self.pool.num_idle_of(found) == sum(not self.counts()[block] for block in found)
        self.pool.share(found)
        self.holds.append(found)

    @invariant()
    def everything_adds_up(self) -> None:
        counts = self.counts()
        self.pool.check(counts)
        assert (self.pool.num_held, self.pool.num_available) == (self.held(), NUM_BLOCKS - self.held())
        assert {key: self.pool.lookup(key) for key in self.cached} == self.cached
        assert [self.pool.is_shared(block) for block in range(NUM_BLOCKS)] == [count > 1 for count in counts]


TestPoolAgainstModel = PoolAgainstModel.TestCase
