"""Who is next, and when that is asked anew."""

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_engine import ask
from tests.policies.views import Replica
from weft.contracts.errors import PolicyError
from weft.contracts.events import Event
from weft.contracts.policies import EVERY_STEP, ON_EVENT, EngineView, OrderPolicy, Rank, Rerank, SequenceView
from weft.engine.sequence import Sequence, TickClock
from weft.engine.waiting_queue import WaitingQueue
from weft.policies.registry import make_order_policy


class Ranking(OrderPolicy):
    """Ranks by a table that the test may change; counts how often it is asked."""

    def __init__(self, ranks: dict[int, Any], rerank: Rerank = ON_EVENT) -> None:
        self.ranks = ranks
        self.rerank = rerank
        self.num_asked = 0

    def observe(self, event: Event) -> None:
        """The test changes the table itself."""

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        self.num_asked += 1
        rank: Rank = self.ranks[sequence.number]
        return rank


def waiting(number: int, arrival_s: float = 0.0) -> Sequence:
    return Sequence(number, ask(f"r{number}"), 0, arrival_s, TickClock())


def filled(order: OrderPolicy, count: int) -> tuple[WaitingQueue, list[Sequence]]:
    queue, sequences = WaitingQueue(order, Replica()), [waiting(number) for number in range(count)]
    for sequence in sequences:
        queue.push(sequence, 0.0)
    return queue, sequences


def drained(queue: WaitingQueue) -> list[int]:
    order = []
    while (head := queue.head()) is not None:
        order.append(head.number)
        queue.remove(head)
    return order


def test_equal_ranks_are_served_by_arrival() -> None:
    queue, sequences = filled(make_order_policy("fcfs"), 5)
    assert queue.sequences() == sequences
    assert drained(queue) == [0, 1, 2, 3, 4]
    assert (len(queue), queue.num_tokens, queue.head(), queue.oldest()) == (0, 0, None, None)


@given(ranks=st.lists(st.integers(0, 3), max_size=8), cancelled=st.lists(st.integers(0, 7), unique=True))
def test_those_left_are_served_by_rank_and_then_by_number(ranks: list[int], cancelled: list[int]) -> None:
    queue, sequences = filled(Ranking({i: (float(rank),) for i, rank in enumerate(ranks)}), len(ranks))
    left = [i for i in range(len(ranks)) if i not in cancelled]
    for number in cancelled[:8]:
        if number < len(sequences):
            queue.remove(sequences[number])
    in_order = sorted(left, key=lambda number: (ranks[number], number))
    assert [sequence.number for sequence in queue.sequences()] == in_order
    assert len(queue) == len(left)
    oldest = queue.oldest()
    assert (oldest.number if oldest else None) == (left[0] if left else None)
    assert queue.num_tokens == 8 * len(left)
    assert drained(queue) == in_order


def test_removing_twice_counts_once() -> None:
    queue, (first, second) = filled(make_order_policy("fcfs"), 2)
    queue.remove(second)
    queue.remove(second)
    assert (len(queue), queue.num_tokens) == (1, 8)
    assert queue.head() is first


def test_one_that_returns_takes_the_place_its_rank_gives() -> None:
    ranks = {0: (0.0,), 1: (1.0,), 2: (2.0,)}
    queue, (first, second, third) = filled(Ranking(ranks), 3)
    queue.remove(first)
    ranks[0] = (1.5,)
    queue.push(first, 1.0)
    assert queue.sequences() == [second, first, third]
    assert queue.oldest() is first
    assert first.rank == (1.5,)


def test_ranks_are_not_asked_again_unless_the_policy_says_so() -> None:
    order = Ranking({0: (0.0,), 1: (1.0,)})
    queue, (first, _) = filled(order, 2)
    order.ranks = {0: (1.0,), 1: (0.0,)}
    queue.rerank(100.0)
    assert (order.num_asked, queue.head()) == (2, first)


def test_a_raised_revision_ranks_anew_once() -> None:
    order = Ranking({0: (0.0,), 1: (1.0,), 2: (2.0,)})
    queue, (first, second, third) = filled(order, 3)
    queue.remove(second)
    order.ranks = {0: (2.0,), 2: (0.0,)}
    order.revision += 1
    queue.rerank(1.0)
    assert queue.sequences() == [third, first]
    assert (order.num_asked, third.rank) == (5, (0.0,))
    queue.rerank(2.0)
    assert order.num_asked == 5


def test_a_policy_may_be_asked_before_every_step() -> None:
    order = Ranking({0: (0.0,)}, EVERY_STEP)
    queue, _ = filled(order, 1)
    for time_s in (0.0, 1.0, 2.0):
        queue.rerank(time_s)
    assert order.num_asked == 4


def test_a_policy_may_be_asked_from_a_time_on() -> None:
    order = Ranking({0: (0.0,)}, Rerank(5.0))
    queue, _ = filled(order, 1)
    queue.rerank(4.9)
    assert order.num_asked == 1
    queue.rerank(5.0)
    assert order.num_asked == 2
    order.rerank = Rerank(7.0)
    queue.rerank(6.0)
    assert order.num_asked == 2


def test_an_infinite_rank_is_a_rank() -> None:
    queue, (first, second) = filled(Ranking({0: (inf,), 1: (-inf,)}), 2)
    assert queue.sequences() == [second, first]


@pytest.mark.parametrize("rank", [(nan,), (0.0, nan), None, 1.0, [1.0]], ids=repr)
def test_a_rank_that_is_none_is_refused_by_policy_and_request_and_nobody_is_queued(rank: object) -> None:
    queue = WaitingQueue(Ranking({3: rank}), Replica())
    with pytest.raises(
        PolicyError, match=r"policy 'Ranking' \(request 'r3'\): gave rank .*none of them NaN"
    ) as caught:
        queue.push(waiting(3), 0.0)
    assert (caught.value.policy, caught.value.request_id) == ("Ranking", "r3")
    assert (len(queue), queue.num_tokens, queue.head()) == (0, 0, None)


def test_a_policy_that_raises_is_named_with_the_request() -> None:
    queue = WaitingQueue(Ranking({}), Replica())
    with pytest.raises(PolicyError, match=r"policy 'Ranking' \(request 'r3'\): raised KeyError: 3"):
        queue.push(waiting(3), 0.0)
    assert len(queue) == 0


def test_an_order_stays_as_it_was_where_ranking_anew_fails() -> None:
    order = Ranking({0: (0.0,), 1: (1.0,)}, EVERY_STEP)
    queue, sequences = filled(order, 2)
    order.ranks = {0: (1.0,), 1: (nan,)}
    with pytest.raises(PolicyError, match="request 'r1'"):
        queue.rerank(1.0)
    assert queue.sequences() == sequences
    assert [sequence.rank for sequence in sequences] == [(0.0,), (1.0,)]


def test_ranking_anew_is_due_until_it_has_succeeded() -> None:
    """`Engine.schedule` promises that nothing has changed where it raises, and that it may be repeated."""
    order = Ranking({0: (0.0,), 1: (1.0,), 2: (2.0,)})
    queue, (first, second, third) = filled(order, 3)
    order.ranks = {0: (1.0,), 1: (nan,), 2: (0.0,)}
    order.revision += 1
    with pytest.raises(PolicyError, match="request 'r1'"):
        queue.rerank(1.0)
    queue.remove(second)
    queue.rerank(1.0)
    assert queue.sequences() == [third, first]


@pytest.mark.parametrize("part", ["urgent", None])
def test_a_rank_of_things_that_are_no_numbers_is_refused(part: object) -> None:
    """It cannot be compared with the others; the heap is left with an entry that nobody counts."""
    queue = WaitingQueue(Ranking({0: (1.0,), 1: (part,)}), Replica())
    queue.push(waiting(0), 0.0)
    with pytest.raises(PolicyError, match="request 'r1'"):
        queue.push(waiting(1), 0.0)
