"""Who gives way when blocks run out, and how."""

from functools import partial
from typing import Any

import pytest

from tests.policies.views import Replica, Seen
from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import PreemptionMethod
from weft.policies.cheapest_to_restore import CheapestToRestore
from weft.policies.registry import make_preempt_policy

CHEAPEST: Any = CheapestToRestore
RECOMPUTE, SWAP = PreemptionMethod.RECOMPUTE, PreemptionMethod.SWAP


def test_the_one_served_last_gives_way_wherever_it_stands_in_the_batch() -> None:
    policy = make_preempt_policy("latest_first")
    candidates = [Seen(5, rank=(1.0,)), Seen(2, rank=(3.0,)), Seen(7, rank=(2.0,))]
    assert policy.decide(Replica(), candidates, 0.0) == (candidates[1], RECOMPUTE)


def test_of_equal_ranks_the_last_arrival_gives_way() -> None:
    candidates = [Seen(5, rank=(1.0,)), Seen(7, rank=(1.0,)), Seen(2, rank=(1.0,))]
    assert make_preempt_policy("latest_first").decide(Replica(), candidates, 0.0).sequence.number == 7


@pytest.mark.parametrize(("has_room", "method"), [(True, SWAP), (False, RECOMPUTE)])
def test_state_is_swapped_where_host_memory_has_room(has_room: bool, method: PreemptionMethod) -> None:
    candidates = [Seen(0, rank=(0.0,)), Seen(1, rank=(1.0,))]
    choice = make_preempt_policy("latest_first_swap").decide(Replica(host_has_room=has_room), candidates, 0.0)
    assert choice == (candidates[1], method)


def test_the_cheapest_to_compute_anew_gives_way_where_nothing_can_be_swapped() -> None:
    candidates = [
        Seen(0, rank=(0.0,), num_computed=1),
        Seen(1, rank=(1.0,), num_computed=50),
        Seen(2, rank=(2.0,), num_computed=90),
    ]
    choice = make_preempt_policy("cheapest_to_restore").decide(Replica(), candidates, 0.0)
    assert choice == (candidates[1], RECOMPUTE)


def test_swapping_is_weighed_against_computing_anew() -> None:
    policy = make_preempt_policy("cheapest_to_restore")
    short = Seen(1, rank=(1.0,), num_computed=20, num_blocks=4)
    long = Seen(2, rank=(2.0,), num_computed=90, num_blocks=3)
    first = Seen(0, rank=(0.0,), num_computed=0)
    replica = Replica(host_has_room=True)
    assert policy.decide(replica, [first, short, long], 0.0) == (long, SWAP)
    assert policy.decide(Replica(), [first, short, long], 0.0) == (short, RECOMPUTE)
    assert policy.decide(replica, [first, short], 0.0) == (short, RECOMPUTE)


def test_among_equally_cheap_ones_the_one_served_last_gives_way() -> None:
    candidates = [
        Seen(n, rank=(rank,), num_computed=9) for n, rank in ((0, 0.0), (3, 1.0), (1, 2.0), (2, 2.0))
    ]
    choice = make_preempt_policy("cheapest_to_restore").decide(Replica(), candidates, 0.0)
    assert choice.sequence.number == 2


@pytest.mark.parametrize("name", ["latest_first", "latest_first_swap", "cheapest_to_restore"])
def test_one_that_is_alone_gives_way_itself(name: str) -> None:
    alone = Seen(4)
    assert make_preempt_policy(name).decide(Replica(), [alone], 0.0).sequence is alone


@pytest.mark.parametrize("name", ["latest_first", "latest_first_swap", "cheapest_to_restore"])
def test_the_first_in_order_of_service_never_gives_way_to_others(name: str) -> None:
    """Or nobody might ever finish."""
    candidates = [Seen(1, rank=(2.0,), num_computed=50), Seen(0, rank=(1.0,), num_computed=1)]
    assert make_preempt_policy(name).decide(Replica(), candidates, 0.0).sequence.number == 1


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan")])
def test_a_price_that_makes_no_sense_is_refused_with_its_value(price: float) -> None:
    with pytest.raises(ConfigurationError, match=f"swap_tokens_per_block is {price}; it must be above 0"):
        make_preempt_policy(partial(CHEAPEST, swap_tokens_per_block=price))


def test_who_has_got_least_gives_way_but_the_first_in_order() -> None:
    first, done, fresh = (
        Seen(number, rank=(number,), num_output_tokens=tokens) for number, tokens in enumerate([0, 50, 2])
    )
    choice = make_preempt_policy("least_progress").decide(Replica(), [first, done, fresh], 0.0)
    assert choice == (fresh, RECOMPUTE)


def test_the_tenant_that_holds_most_gives_way() -> None:
    small = [Seen(number, rank=(number,), tenant="small", num_blocks=2) for number in range(2)]
    large = [Seen(number, rank=(number,), tenant="large", num_blocks=9) for number in (2, 3)]
    last = Seen(4, rank=(4,), tenant="small", num_blocks=1)
    view = Replica(running=[*small, *large, last])
    choice = make_preempt_policy("tenant_excess").decide(view, [*small, *large, last], 0.0)
    assert choice.sequence is large[1]


@pytest.mark.parametrize("name", ["least_progress", "tenant_excess"])
def test_state_comes_back_by_the_cheaper_way(name: str) -> None:
    policy = make_preempt_policy(f"{name}:swap_tokens_per_block=2")
    one, other = (Seen(number, rank=(number,), num_computed=100, num_blocks=9) for number in range(2))
    for has_room, method in ((True, SWAP), (False, RECOMPUTE)):
        view = Replica(running=[one, other], host_has_room=has_room)
        assert policy.decide(view, [one, other], 0.0) == (other, method)
