"""Promise 2, checked: nothing lost, nothing leaked."""

from collections.abc import Iterable

from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import HOLE
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence


def check_integrity(replica: Replica) -> None:
    """Raise `InvariantViolation` where blocks, rows or the queue do not add up, or an idle engine holds any."""
    sequences = _stateful(replica)
    for group in replica.store.groups:
        expected = [0] * group.pool.num_blocks
        for sequence in sequences:
            _count(expected, group.held(sequence))
        for pool, blocks in replica.deferred.pinned():
            if pool is group.pool:
                _count(expected, blocks)
        _count(expected, _in_flight_blocks(replica, group.index))
        group.pool.check(expected)
    _check_keys(sequences)
    _check_host(replica, sequences)
    _check_rows(replica)
    _check_under_way(replica)
    if not replica.requests and not replica.in_flight and not replica.transfers:
        _check_nothing_left(replica)


def _stateful(replica: Replica) -> list[Sequence]:
    """Every sequence that may hold blocks: those of live requests, and those that ended during a transfer."""
    found = {
        sequence.number: sequence for record in replica.requests.values() for sequence in record.sequences
    }
    found.update((sequence.number, sequence) for _, sequence in replica.transfers.values())
    return list(found.values())


def _count(expected: list[int], blocks: Iterable[int]) -> None:
    for block in blocks:
        expected[block] += 1


def _in_flight_blocks(replica: Replica, group: int) -> list[int]:
    """Blocks held by steps themselves: snapshots being written and states after drafted tokens."""
    blocks = []
    plans = [flight.plan for flight in replica.in_flight] + [replica.plan]
    for plan in plans:
        blocks += [s.block for s in plan.snapshots if s.pool is replica.store.groups[group].pool]
        for entry in plan.entries:
            if entry.draft is not None:
                blocks += entry.draft.state_blocks[group]
    return blocks


def _check_keys(sequences: list[Sequence]) -> None:
    """State and the keys it was published under go together; an update of the weights separates neither."""
    for sequence in sequences:
        holds_state = sequence.tables or sequence.host_tables is not None
        if holds_state and sequence.num_published > len(sequence.keys):
            detail = f"{sequence} has published {sequence.num_published} blocks and knows {len(sequence.keys)} keys"
            raise InvariantViolation("published_by_key", detail)


def _check_host(replica: Replica, sequences: list[Sequence]) -> None:
    held: list[list[int]] = [[] for _ in replica.host.sizes]
    for sequence in sequences:
        for group, table in enumerate(sequence.host_tables or ()):
            held[group] += [block for block in table if block != HOLE]
    replica.host.check(held)


def _check_rows(replica: Replica) -> None:
    occupied = {row: sequence for row, sequence in enumerate(replica.rows) if sequence is not None}
    running = {sequence.row: sequence for sequence in replica.running.values()}
    if occupied != running or sorted([*occupied, *replica.free_rows]) != list(range(len(replica.rows))):
        raise InvariantViolation("rows_consistent", f"rows hold {occupied}, running are {running}")
    lost = [s for s in replica.active.values() if s.number not in replica.running or s.stands]
    if lost:
        raise InvariantViolation(
            "rows_consistent", f"{lost} are to be planned without a row, or though they stand"
        )
    standing = sum(sequence.stands for sequence in replica.running.values())
    if standing != replica.standing.count:
        raise InvariantViolation(
            "rows_consistent", f"{standing} sequences stand, {replica.standing.count} are counted"
        )
    if len(replica.queue) != len(replica.queue.sequences()):
        raise InvariantViolation("queue_consistent", "the queue's length is not the number of those who wait")


def _check_under_way(replica: Replica) -> None:
    """Steps know who took part in them, and transfers hold both ends of what they move."""
    for flight in replica.in_flight:
        for entry, sequence in zip(flight.plan.entries, flight.plan.explicit.values(), strict=True):
            if (flight.former.get(entry.row) or replica.rows[entry.row]) is not sequence:
                raise InvariantViolation("rows_consistent", f"step {flight.step.number} has lost {sequence}")
    for transfer, sequence in replica.transfers.values():
        if sequence.host_tables is None or not sequence.tables:
            raise InvariantViolation(
                "transfers_pinned", f"{sequence} gave up blocks that {transfer.kind} moves"
            )


def _check_nothing_left(replica: Replica) -> None:
    left = {
        "running sequences": len(replica.running) + len(replica.active) + len(replica.yielding),
        "waiting sequences": len(replica.queue),
        "waiting tokens": replica.queue.num_tokens,
        "waiting output tokens": replica.queue.num_output_tokens,
        "held blocks": replica.store.used_blocks(),
        "streams": len(replica.streaming),
    }
    if any(left.values()) and not replica.plan.has_work:
        raise InvariantViolation("nothing_leaked", f"the engine is idle and keeps {left}")
