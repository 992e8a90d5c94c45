"""Rates that are still good, and who gets memory."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.simulated_service import Listed
from weft.contracts.options import ServingOptions
from weft.contracts.requests import SamplingParams
from weft.papers.bounded_outputs import BoundedOutputs, oracle, power_of_two
from weft.papers.orca import BatchEnds
from weft.papers.state_share import StateShare
from weft.papers.trials import (
    best_choice,
    capacity_per_s,
    highest_rate,
    normalised_s,
    play,
    reserving,
    served,
)
from weft.simulator.deployment import Deployment
from weft.workloads.limits import Limited
from weft.workloads.sessions import Session

STEP = 2 ** (1 / 16)


def deployment(budget: str = "prefill_first", **sizes: int) -> Deployment:
    options = ServingOptions(enable_prefix_caching=False, max_model_len=2048, **sizes)  # type: ignore[arg-type]
    return served("facebook/opt-13b", "a100-40gb", options, budget=budget)


@given(st.floats(0.01, 1000.0), st.floats(0.05, 200.0))
def test_the_highest_good_rate_is_found_to_a_step(border: float, start: float) -> None:
    found = highest_rate(lambda rate: rate <= border, start)
    assert border / STEP / 1.0001 <= found <= border


def test_where_nothing_is_good_the_rate_is_nothing() -> None:
    assert highest_rate(lambda _: False, 1.0) == 0.0


def test_the_best_choice_is_found_and_the_first_of_equals_kept() -> None:
    borders = {1: 2.0, 8: 9.0, 32: 9.0, 64: 3.0}
    choice, rate = best_choice(tuple(borders), lambda choice, rate: rate <= borders[choice], 1.0)
    assert choice == 8
    assert 9.0 / STEP <= rate <= 9.0


def test_a_warm_up_is_left_out_and_outcomes_are_in_order_of_arrival() -> None:
    outcomes = play(deployment(), Listed([(float(at), 10, 40 - 3 * at) for at in range(10)]))
    assert [outcome.arrival_s for outcome in outcomes] == [float(at) for at in range(2, 10)]
    assert normalised_s(outcomes[0]) == pytest.approx((outcomes[0].ended_s - 2.0) / 34)


def test_capacity_is_what_goes_through_while_all_wait() -> None:
    crowd = Listed([(0.0, 10, 20)] * 60)
    one, four = (capacity_per_s(deployment(max_num_seqs=rows), crowd) for rows in (1, 4))
    assert 3.0 < four / one < 4.0


def test_who_reserves_the_longest_output_has_room_for_few_at_once() -> None:
    load = Listed([(0.0, 10, 20)] * 140)
    share = StateShare(16, 0.0, 1e9)
    play(reserving(deployment()), load, share.watch)
    assert share.use().num_running == pytest.approx(7.0, abs=0.7)  # 973 blocks of 16 tokens, 128 for each
    assert share.use().token_share < 0.02


def test_the_share_of_tokens_is_what_one_request_has_on_average() -> None:
    share = StateShare(16, 0.0, 1e9)
    play(deployment(depth=1), Listed([(0.0, 16, 17)]), share.watch)  # 16 tokens at first, 32 at the end
    assert share.use().num_running == pytest.approx(1.0, abs=0.1)
    tokens = [*range(16, 32)]
    assert share.use().token_share == pytest.approx(sum(tokens) / (16 + 15 * 32), rel=0.05)


def bounds(bounded: BoundedOutputs) -> Iterator[int]:
    most = SamplingParams(max_tokens=500)
    for session in bounded.sessions():
        for index, turn in enumerate(session.turns):
            yield session.request(index, turn, most).sampling.max_tokens


def test_clients_ask_for_what_they_know() -> None:
    load = Listed([(0.0, 10, tokens) for tokens in (1, 2, 3, 64, 65, 400)])
    assert list(bounds(BoundedOutputs(load, oracle))) == [1, 2, 3, 64, 65, 400]
    assert list(bounds(BoundedOutputs(load, power_of_two))) == [1, 2, 4, 64, 128, 500]
    assert next(bounds(BoundedOutputs(Limited(load, 1), oracle))) == 1


def test_a_bound_survives_a_changed_session() -> None:
    (session,) = BoundedOutputs(Listed([(0.0, 10, 5)]), oracle).sessions()
    changed = session._replace(number=7)
    assert isinstance(changed, Session)
    (turn,) = changed.turns
    assert changed.request(0, turn, SamplingParams(max_tokens=500)).sampling.max_tokens == 5


def test_a_batch_of_whole_requests_is_returned_together() -> None:
    ends = BatchEnds()
    outcomes = play(
        deployment("request_level"),
        Listed([(0.0, 10, 9), (0.01, 10, 5), (0.02, 10, 30), (0.3, 10, 9)]),
        ends.watch,
    )
    _, short, long, later = map(ends.returned, outcomes)
    assert short.ended_s == long.ended_s > outcomes[1].ended_s
    assert later.ended_s > long.ended_s
    assert len(ends.times_s) == 3
