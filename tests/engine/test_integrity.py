"""The check for losses and leaks finds them."""

from collections.abc import Callable

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import InvariantViolation
from weft.contracts.state import Owner, OwnerKind
from weft.engine.replica import Replica

OWNER = Owner(OwnerKind.SEQUENCE, 99)


def damaged(engine: SmallEngine, damage: Callable[[Replica], object]) -> str:
    """Name of the violation that the check finds after some damage, having found none before."""
    engine.check()
    damage(engine.engine._replica)
    with pytest.raises(InvariantViolation) as caught:
        engine.check()
    return caught.value.name


def lose_table_entry(replica: Replica) -> None:
    replica.requests["a"].sequences[0].tables[0].pop()


def forget_row(replica: Replica) -> None:
    replica.rows[0] = replica.rows[1] = None


def count_another(replica: Replica) -> None:
    replica.standing.count += 1


def forget_to_wait(replica: Replica) -> None:
    replica.requests["b"].sequences[0].is_queued = False


def plan_one_that_stands(replica: Replica) -> None:
    replica.active[0] = replica.requests["a"].sequences[0]


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda replica: replica.store.groups[0].pool.allocate(OWNER, 1), "references_match"),
        (lose_table_entry, "references_match"),
        (forget_row, "rows_consistent"),
        (lambda replica: replica.free_rows.pop(), "rows_consistent"),
        (count_another, "rows_consistent"),
        (plan_one_that_stands, "rows_consistent"),
        (forget_to_wait, "queue_consistent"),
        (lambda replica: replica.host.take([[3]]), "host_blocks_conserved"),
    ],
    ids=["block", "table entry", "row", "free row", "standing", "planned twice", "queue", "host block"],
)
def test_what_does_not_add_up_is_found_while_requests_run(
    damage: Callable[[Replica], object], name: str
) -> None:
    engine = SmallEngine(num_blocks=5, num_host_blocks=4, max_running=2)
    engine.submit(ask("a", 6, 9), ask("b", 14, 4))
    engine.step()
    assert (engine.running(), engine.reasons("b")) == (["a"], ["no free blocks"])
    assert damaged(engine, damage) == name


def exchange_rows(replica: Replica) -> None:
    one, other = replica.requests["a"].sequences[0], replica.requests["b"].sequences[0]
    one.row, other.row = other.row, one.row
    replica.rows[one.row], replica.rows[other.row] = one, other


def test_a_step_under_way_whose_row_is_anothers_is_found() -> None:
    engine = SmallEngine(max_running=2)
    engine.submit(ask("a"), ask("b"))
    engine.plan()
    assert damaged(engine, exchange_rows) == "rows_consistent"


def test_a_transfer_whose_blocks_were_given_up_is_found() -> None:
    engine = SmallEngine(num_blocks=9, num_host_blocks=8, preempt="latest_first_swap", holds_transfers=True)
    engine.submit(ask("a", 10, 16), ask("b", 10, 14))
    while not engine.moving:
        engine.step()
    (sequence,) = engine.sequences("b")
    assert damaged(engine, lambda replica: replica.release_host(sequence)) == "transfers_pinned"


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda replica: replica.queue.__setattr__("num_tokens", 3), "'waiting tokens': 3"),
        (lambda replica: replica.streaming.update({1: None}), "'streams': 1"),
        (lambda replica: replica.yielding.update({1: None}), "'running sequences': 1"),
    ],
    ids=["tokens", "streams", "running"],
)
def test_an_idle_engine_that_keeps_anything_is_found(damage: Callable[[Replica], object], left: str) -> None:
    engine, request = SmallEngine(), ask("a")
    engine.submit(request)
    engine.run()
    assert damaged(engine, damage) == "nothing_leaked"
    with pytest.raises(InvariantViolation, match=left):
        engine.check()
