"""Who runs next."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_engine import SmallEngine, ask
from tests.policies.views import Replica, Seen
from weft.contracts.errors import ConfigurationError
from weft.contracts.events import StepRecord
from weft.contracts.policies import OrderPolicy, SequenceView
from weft.contracts.requests import Slo
from weft.policies.earliest_deadline_first import EarliestDeadlineFirst
from weft.policies.highest_response_ratio import HighestResponseRatio
from weft.policies.longest_prefix import LongestPrefix
from weft.policies.registry import make_order_policy
from weft.policies.shortest_job_first import ShortestJobFirst
from weft.policies.shortest_remaining_first import ShortestRemainingFirst
from weft.policies.tiny_quanta import TinyQuanta

times = st.integers(0, 1000).map(float)


def in_order(policy: OrderPolicy, now_s: float, *sequences: SequenceView) -> list[int]:
    ranked = sorted(
        sequences, key=lambda sequence: (policy.decide(Replica(), sequence, now_s), sequence.number)
    )
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


class ByName:
    """Knows how long outputs may be."""

    def remaining(self, sequence: SequenceView) -> float:
        return float(sequence.request.sampling.max_tokens)

    total = remaining


HIGHEST_RATIO: Any = HighestResponseRatio
"""Of any type, because a type checker takes a policy that inherits for an abstract class."""


class Known:
    """Tells the rest of each output by its number."""

    def __init__(self, *remaining: float) -> None:
        self.rest = remaining

    def remaining(self, sequence: SequenceView) -> float:
        return self.rest[sequence.number]

    def total(self, sequence: SequenceView) -> float:
        return self.rest[sequence.number] + sequence.num_output_tokens


def test_the_earliest_deadline_runs_first_and_those_without_have_the_default() -> None:
    policy = EarliestDeadlineFirst(default_ttft_s=10.0)
    strict, lax = Seen(0, arrival_s=3.0, slo=Slo(1.0)), Seen(1, arrival_s=0.0, slo=Slo(5.0))
    assert in_order(policy, 9.0, Seen(2, arrival_s=0.0), lax, strict) == [0, 1, 2]


def test_a_request_with_output_is_due_by_its_next_token() -> None:
    policy = EarliestDeadlineFirst()
    preempted = Seen(0, arrival_s=0.0, slo=Slo(1.0, 0.5), num_output_tokens=10)
    assert policy.decide(Replica(), preempted, 9.0) == (6.0,)


def test_the_shortest_runs_first_until_waiting_outweighs_it() -> None:
    policy = ShortestJobFirst(ageing_tokens_per_s=10.0, lengths=Known(100.0, 20.0))
    assert in_order(policy, 0.0, Seen(0, 0.0), Seen(1, 0.0)) == [1, 0]
    assert in_order(policy, 9.0, Seen(0, 0.0), Seen(1, 9.0)) == [0, 1]


def test_who_takes_longest_gives_way_to_a_shorter_one_unless_it_is_nearly_done() -> None:
    policy = ShortestRemainingFirst(lengths=Known(10.0, 5.0, 80.0, 30.0))
    head, short, longest, long = (Seen(number) for number in range(4))
    assert policy.displace(Replica(), head, [short, longest, long], 0.0) == (longest,)
    assert policy.displace(Replica(), head, [short], 0.0) == ()
    nearly_done = Seen(2, num_output_tokens=321)  # of 401
    assert policy.displace(Replica(), head, [nearly_done, long], 0.0) == (long,)
    assert policy.displace(Replica(), head, [nearly_done], 0.0) == ()


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40), st.integers(0, 3)), max_size=12),
    st.integers(1, 30),
)
def test_of_those_who_may_give_way_it_is_the_one_that_ranks_last(
    runs: list[tuple[int, int, int]], head_tokens: int
) -> None:
    """By a search of all of them."""
    lengths = [*(float(remaining) for remaining, _, _ in runs), float(head_tokens)]
    policy = ShortestRemainingFirst(lengths=Known(*lengths))
    running = [
        Seen(number, arrival_s=arrival_s, num_computed=computed, num_output_tokens=computed)
        for number, (_, computed, arrival_s) in enumerate(runs)
    ]
    head = Seen(len(runs), arrival_s=3.0)
    able = [
        each
        for each in running
        if lengths[each.number] - head_tokens > each.num_computed
        and each.num_output_tokens < 0.8 * policy.lengths.total(each)
        and policy.decide(Replica(), each, 0.0) > policy.decide(Replica(), head, 0.0)
    ]
    last = max(able, key=lambda each: (policy.decide(Replica(), each, 0.0), each.number), default=None)
    assert policy.displace(Replica(), head, running, 0.0) == (() if last is None else (last,))


def test_who_has_aged_does_not_give_way_to_a_shorter_newcomer() -> None:
    policy = ShortestRemainingFirst(ageing_tokens_per_s=10.0, lengths=Known(10.0, 80.0))
    assert policy.displace(Replica(), Seen(0, arrival_s=9.0), [Seen(1, arrival_s=0.0)], 9.0) == ()


def test_the_response_ratio_of_a_long_one_grows_until_it_is_first() -> None:
    policy = HighestResponseRatio(lengths=Known(100.0, 10.0))
    long = Seen(0, arrival_s=0.0)
    assert in_order(policy, 20.0, long, Seen(1, arrival_s=10.0)) == [1, 0]
    assert in_order(policy, 20.0, long, Seen(1, arrival_s=19.0)) == [0, 1]


def test_ratios_are_asked_anew_at_fixed_moments() -> None:
    """Each is due when a step has ended after it, until the next one has."""
    policy, due_s = HighestResponseRatio(), []
    for number, time_s in enumerate([0.25, 0.28, 0.31, 0.34, 0.55, 0.58]):
        policy.observe(StepRecord(time_s, number, time_s - 0.01, 1, 1, (), (), 1, 0, 1))
        if policy.rerank.at_s <= time_s:
            due_s.append(time_s)
    assert due_s == [0.25, 0.31, 0.55]


def test_a_short_one_overtakes_in_the_queue_as_time_goes_on() -> None:
    engine = SmallEngine(order=partial(HIGHEST_RATIO, lengths=ByName()), max_running=1)
    requests = [ask("first", 8, 30), ask("long", 8, 20), ask("short", 8, 2)]
    for request in requests:
        engine.submit(request)
        engine.step()
    engine.run()
    engine.expect(*requests)
    assert engine.ends["short"].time_s < engine.ends["long"].time_s


def test_the_longest_cached_prefix_runs_first_while_few_wait() -> None:
    policy, one, other = LongestPrefix(), Seen(0, 0.0), Seen(1, 1.0)
    view = Replica(cached={1: 64})
    assert policy.decide(view, other, 2.0) < policy.decide(view, one, 2.0)
    view.waiting = [Seen(number) for number in range(200)]
    assert policy.decide(view, one, 2.0) < policy.decide(view, other, 2.0)


def test_who_has_had_a_quantum_gives_way_one_at_a_time() -> None:
    policy = TinyQuanta(quantum_tokens=5)
    fresh, spent, later = (Seen(number, num_stay_tokens=tokens) for number, tokens in enumerate([4, 5, 9]))
    assert policy.displace(Replica(), Seen(9), [fresh, spent, later], 0.0) == [spent]
    assert policy.displace(Replica(), Seen(9), [fresh], 0.0) == []


def test_who_comes_back_queues_behind_all_others() -> None:
    assert in_order(TinyQuanta(), 5.0, Seen(0, 0.0)) == [0]
    assert TinyQuanta().decide(Replica(), Seen(0, 0.0), 5.0) == (5.0,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EarliestDeadlineFirst(0.0), "default_ttft_s is 0.0; it must be above 0 seconds"),
        (lambda: ShortestJobFirst(-1.0), "ageing_tokens_per_s is -1.0; it must be 0 or more"),
        (lambda: TinyQuanta(0), "quantum_tokens is 0; it must be at least 1"),
        (lambda: ShortestRemainingFirst(0.0, 1.5), "preemptible_share is 1.5; it must be between 0 and 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
