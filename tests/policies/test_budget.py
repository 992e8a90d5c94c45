"""How a step's tokens are shared between decoding and prompts."""

import pytest

from tests.policies.views import Replica, Seen
from weft.policies.registry import make_budget_policy


def test_decoding_first_leaves_prompts_what_decoding_does_not_take() -> None:
    budget = make_budget_policy("decode_first").decide(Replica(max_step_tokens=100, num_standing=30), 0.0)
    assert budget == (70, True, True, True)


def test_prompts_first_may_take_a_whole_step_and_are_not_split_or_mixed() -> None:
    budget = make_budget_policy("prefill_first").decide(Replica(max_step_tokens=100, num_standing=30), 0.0)
    assert budget == (100, True, False, False)


@pytest.mark.parametrize(
    ("replica", "is_open"),
    [
        (Replica(), True),
        (Replica(running=[Seen(0), Seen(1)]), True),
        (Replica(running=[Seen(0), Seen(1, num_output_tokens=1)]), False),
        (Replica(running=[Seen(0)], num_standing=1), False),
    ],
    ids=["idle", "computing prompts", "one has output", "one stands"],
)
def test_a_batch_of_whole_requests_is_open_until_the_first_has_output(
    replica: Replica, is_open: bool
) -> None:
    assert make_budget_policy("request_level").decide(replica, 0.0) == (100, is_open, False, False)
