"""Who runs next."""

from hypothesis import given
from hypothesis import strategies as st

from tests.policies.views import Seen
from weft.contracts.policies import OrderPolicy, SequenceView
from weft.policies.registry import make_order_policy

times = st.integers(0, 1000).map(float)


def in_order(policy: OrderPolicy, now_s: float, *sequences: SequenceView) -> list[int]:
    ranked = sorted(sequences, key=lambda sequence: (policy.decide(sequence, now_s), sequence.number))
    return [sequence.number for sequence in ranked]


def test_first_come_first_served_looks_at_arrival_alone() -> None:
    policy = make_order_policy("fcfs")
    late, early = Seen(0, arrival_s=2.0, priority=-9), Seen(1, arrival_s=1.0, priority=9)
    assert in_order(policy, 5.0, late, early) == [1, 0]


def test_the_more_urgent_of_two_arrivals_runs_first() -> None:
    policy = make_order_policy("priority")
    assert in_order(policy, 5.0, Seen(0, 1.0, priority=1), Seen(1, 1.0), Seen(2, 1.0, priority=-1)) == [
        2,
        1,
        0,
    ]


def test_waiting_long_enough_is_worth_a_level_of_priority() -> None:
    policy = make_order_policy("priority")
    patient = Seen(0, arrival_s=0.0, priority=1)
    assert in_order(policy, 59.0, patient, Seen(1, arrival_s=59.0)) == [1, 0]
    assert in_order(policy, 61.0, patient, Seen(1, arrival_s=61.0)) == [0, 1]


@given(first=times, second=times, priorities=st.tuples(*[st.integers(-5, 5)] * 2), wait_s=times)
def test_ageing_never_changes_the_order_of_two_who_wait(
    first: float, second: float, priorities: tuple[int, int], wait_s: float
) -> None:
    """That is why ranks need not be asked again."""
    policy = make_order_policy("priority")
    one, other = Seen(0, first, priorities[0]), Seen(1, second, priorities[1])
    now_s = max(first, second)
    assert in_order(policy, now_s, one, other) == in_order(policy, now_s + wait_s, one, other)
