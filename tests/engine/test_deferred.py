"""Blocks stay put while a step under way may touch them."""

from tests.engine.small_engine import ask
from weft.contracts.state import Owner, OwnerKind
from weft.engine.block_pool import BlockPool
from weft.engine.deferred import Deferred
from weft.engine.sequence import Sequence, TickClock
from weft.policies.lru import Lru

OWNER = Owner(OwnerKind.SEQUENCE, 1)


def full_pool() -> BlockPool:
    pool = BlockPool(3, Lru())
    pool.allocate(OWNER, 3)
    return pool


def test_a_release_waits_for_its_step_and_no_longer() -> None:
    pool, deferred = full_pool(), Deferred()
    deferred.resolve(3)
    deferred.release(3, pool, [0])
    assert (pool.num_available, deferred.is_empty) == (1, True)
    deferred.release(5, pool, [1])
    deferred.release(4, pool, [2])
    assert list(deferred.pinned()) == [(pool, [1]), (pool, [2])]
    deferred.resolve(4)
    assert (pool.references, list(deferred.pinned())) == ([0, 1, 0], [(pool, [1])])
    deferred.resolve(5)
    assert (pool.num_available, deferred.is_empty) == (3, True)


def test_what_is_to_be_done_for_a_sequence_waits_for_its_last_step() -> None:
    deferred, done = Deferred(), list[int]()
    sequences = [Sequence(number, ask("a"), 0, 0.0, TickClock()) for number in range(3)]
    for sequence, last_step in zip(sequences, (-1, 7, 6), strict=True):
        sequence.last_step = last_step
        deferred.settle(sequence, lambda each: done.append(each.number))
    assert done == [0]
    deferred.resolve(6)
    assert (done, deferred.is_empty) == ([0, 2], False)
    deferred.resolve(7)
    assert (done, deferred.is_empty) == ([0, 2, 1], True)


def test_one_that_settles_again_waits_again() -> None:
    """Settling may plan more for the sequence; what that asks to settle must not be lost."""
    deferred, done = Deferred(), list[int]()
    sequence = Sequence(0, ask("a"), 0, 0.0, TickClock())
    sequence.last_step = 1

    def settle(each: Sequence) -> None:
        done.append(each.last_step)
        if each.last_step == 1:
            each.last_step = 2
            deferred.settle(each, settle)

    deferred.settle(sequence, settle)
    deferred.resolve(1)
    assert (done, deferred.is_empty) == ([1], False)
    deferred.resolve(2)
    assert (done, deferred.is_empty) == ([1, 2], True)
