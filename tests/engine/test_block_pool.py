"""Who holds which block, and what can be found again."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from weft.contracts.errors import InvariantViolation, PolicyError
from weft.contracts.policies import BlocksEvicted, BlocksIdled, BlocksReused, RetainEvent
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.state import Owner, OwnerKind
from weft.engine.block_pool import BlockPool
from weft.policies.lru import Lru

OWNER = Owner(OwnerKind.SEQUENCE, 1)
REQUEST = Request("r", LengthPrompt(8))


def take(pool: BlockPool, count: int) -> list[int]:
    blocks = pool.allocate(OWNER, count)
    assert blocks is not None
    return blocks


def references(pool: BlockPool, *held: int) -> None:
    """The pool is in order, with a reference to each of these blocks, as often as named."""
    pool.check([held.count(block) for block in range(pool.num_blocks)])


def cache(pool: BlockPool, *keys: bytes) -> list[int]:
    """Publish a block under each key and let go of them, the first key's block first."""
    blocks = take(pool, len(keys))
    for block, key in zip(blocks, keys, strict=True):
        pool.publish([block], [key], REQUEST, 0)
    pool.release(blocks)
    return blocks


def test_a_block_is_held_once_by_its_owner_and_comes_back() -> None:
    pool = BlockPool(3, Lru())
    blocks = take(pool, 2)
    assert len(dict.fromkeys(blocks)) == 2
    assert [pool.owners[block] for block in blocks] == [OWNER, OWNER]
    assert (pool.num_available, pool.num_held) == (1, 2)
    references(pool, *blocks)
    pool.release(blocks)
    assert (pool.num_available, pool.num_held) == (3, 0)
    references(pool)


def test_more_than_there_is_changes_nothing() -> None:
    pool = BlockPool(3, Lru())
    cache(pool, b"a")
    assert pool.allocate(OWNER, 4) is None
    assert pool.lookup(b"a") is not None
    assert pool.allocate(OWNER, 0) == []
    references(pool)


def test_a_shared_block_is_free_when_the_last_has_let_go() -> None:
    pool = BlockPool(2, Lru())
    (block,) = take(pool, 1)
    assert not pool.is_shared(block)
    pool.share([block])
    assert pool.is_shared(block)
    pool.release([block])
    assert (pool.is_shared(block), pool.num_available) == (False, 1)
    references(pool, block)
    pool.release([block])
    assert pool.num_available == 2


def test_a_reference_is_dropped_once() -> None:
    pool = BlockPool(2, Lru())
    (block,) = take(pool, 1)
    pool.release([block])
    with pytest.raises(
        InvariantViolation, match=f"block {block} was released more often than held"
    ) as caught:
        pool.release([block])
    assert caught.value.name == "blocks_conserved"


def test_a_published_block_is_found_while_held_and_while_idle() -> None:
    pool = BlockPool(2, Lru())
    (block,) = take(pool, 1)
    assert pool.lookup(b"a") is None
    pool.publish([block], [b"a"], REQUEST, 0)
    assert pool.lookup(b"a") == block
    pool.release([block])
    assert (pool.lookup(b"a"), pool.num_available, pool.num_held) == (block, 2, 0)
    assert pool.num_idle_of([block, 1 - block]) == 2
    pool.share([block])
    assert (pool.lookup(b"a"), pool.num_available) == (block, 1)
    references(pool, block)


def test_the_first_to_publish_a_key_keeps_it() -> None:
    pool = BlockPool(2, Lru())
    first, second = take(pool, 2)
    pool.publish([first], [b"a"], REQUEST, 0)
    pool.publish([second], [b"a"], REQUEST, 0)
    assert pool.lookup(b"a") == first
    pool.release([second, first])
    assert pool.keys[second] is None
    references(pool)


def test_free_blocks_go_before_idle_ones_and_the_longest_idle_go_first() -> None:
    pool = BlockPool(4, Lru())
    cache(pool, b"a", b"b", b"c")
    take(pool, 1)
    assert [pool.lookup(key) is None for key in (b"a", b"b", b"c")] == [False] * 3
    take(pool, 2)
    assert [pool.lookup(key) is None for key in (b"a", b"b", b"c")] == [True, True, False]


def test_a_block_that_was_used_again_is_forgotten_last() -> None:
    pool = BlockPool(3, Lru())
    first, *_ = cache(pool, b"a", b"b", b"c")
    pool.share([first])
    pool.release([first])
    take(pool, 2)
    assert pool.lookup(b"a") == first
    assert [pool.lookup(key) for key in (b"b", b"c")] == [None, None]


def test_an_evicted_block_may_be_published_under_another_key() -> None:
    pool = BlockPool(1, Lru())
    cache(pool, b"a")
    cache(pool, b"b")
    assert (pool.lookup(b"a"), pool.lookup(b"b")) == (None, 0)
    references(pool)


def test_a_run_is_the_first_that_fits() -> None:
    pool = BlockPool(8, Lru())
    blocks = pool.allocate_run(OWNER, 8)
    assert blocks == list(range(8))
    pool.release([1, 3, 4, 6, 7])
    assert pool.longest_run() == 2
    assert pool.allocate_run(OWNER, 3) is None
    assert pool.allocate_run(OWNER, 2) == [3, 4]
    assert pool.allocate_run(OWNER, 1) == [1]
    references(pool, 0, 1, 2, 3, 4, 5)


def test_a_run_has_consecutive_numbers_whatever_order_blocks_came_back_in() -> None:
    pool = BlockPool(6, Lru())
    pool.release(take(pool, 6)[::-1])
    run = pool.allocate_run(OWNER, 4)
    assert run is not None
    assert all(second == first + 1 for first, second in pairwise(run))
    assert pool.longest_run() == 2
    references(pool, *run)


class Misjudging(Lru):
    """A retain policy that gives up what the test says."""

    def __init__(self, victims: Sequence[int]) -> None:
        super().__init__()
        self._victims = victims

    def decide(self, count: int) -> Sequence[int]:
        return self._victims


@pytest.mark.parametrize(
    ("victims", "problem"),
    [
        ([2], "gave up block 2, which is not idle"),
        ([7], "gave up block 7, which is not idle"),
        ([-1], "gave up block -1, which is not idle"),
        ([0, 0], "gave up block 0, which is not idle"),
        ([], "was asked for 1 idle blocks and gave 0"),
        ([0, 1], "was asked for 1 idle blocks and gave 2"),
    ],
    ids=["held", "unknown", "negative", "twice", "too few", "too many"],
)
def test_a_retain_policy_that_gives_up_nonsense_is_named_and_no_block_is_lost(
    victims: list[int], problem: str
) -> None:
    pool = BlockPool(3, Misjudging(victims))
    cache(pool, b"a", b"b")
    held = take(pool, 1)
    with pytest.raises(PolicyError, match=f"policy 'Misjudging': {problem}"):
        pool.allocate(OWNER, 1)
    references(pool, *held)
    assert pool.num_available == 2


class Listening(Lru):
    """A retain policy that remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[RetainEvent] = []

    def observe(self, event: RetainEvent) -> None:
        self.heard.append(event)
        super().observe(event)


def test_a_retain_policy_hears_what_happens_to_cached_blocks_and_of_no_others() -> None:
    retain = Listening()
    pool = BlockPool(2, retain)
    first, second = take(pool, 2)
    pool.publish([first], [b"a"], REQUEST, 0)
    pool.release([second, first])
    pool.share([first])
    pool.release([first])
    take(pool, 2)
    assert retain.heard == [
        BlocksIdled([first]),
        BlocksReused([first]),
        BlocksIdled([first]),
        BlocksEvicted([first]),
    ]


class Raising(Lru):
    def decide(self, count: int) -> Sequence[int]:
        raise ValueError("no idea")


def test_a_retain_policy_that_raises_is_named() -> None:
    pool = BlockPool(1, Raising())
    cache(pool, b"a")
    with pytest.raises(PolicyError, match="policy 'Raising': raised ValueError: no idea"):
        pool.allocate(OWNER, 1)


@pytest.mark.parametrize("wrong", [[0, 0, 0], [1, 2, 0], [1, 0, 1]], ids=["leaked", "too few", "unknown"])
def test_a_check_finds_references_that_nobody_accounts_for(wrong: list[int]) -> None:
    pool = BlockPool(3, Lru())
    take(pool, 1)
    references(pool, 0)
    with pytest.raises(InvariantViolation, match="references_match"):
        pool.check(wrong)


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda pool: pool._free.pop(), "blocks_conserved"),
        (lambda pool: pool._free.append(pool._free[0]), "blocks_conserved"),
        (lambda pool: pool._free.append(0), "blocks_conserved"),
        (lambda pool: pool._index.pop(b"a"), "index_consistent"),
        (lambda pool: pool._index.update({b"a": 2}), "index_consistent"),
    ],
    ids=["block lost", "free twice", "free and idle", "key lost", "key of another"],
)
def test_a_check_finds_a_damaged_pool(damage: object, name: str) -> None:
    pool = BlockPool(3, Lru())
    assert cache(pool, b"a") == [0]
    references(pool)
    damage(pool)  # type: ignore[operator]
    with pytest.raises(InvariantViolation) as caught:
        references(pool)
    assert caught.value.name == name
