"""Iteration-level scheduling."""

from tests.policies.views import Replica
from weft.policies.registry import make_budget_policy


def test_prompts_join_those_that_decode_whole_and_in_what_is_left() -> None:
    budget = make_budget_policy("iteration_level").decide(Replica(max_step_tokens=100, num_standing=30), 0.0)
    assert budget == (70, True, False, True)
