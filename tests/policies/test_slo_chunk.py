"""Chunks of prompts as long as those who decode can bear."""

from random import Random

import pytest

from tests.policies.views import Replica, Seen
from weft.contracts.errors import ConfigurationError
from weft.contracts.events import ComputedUnits, StepRecord
from weft.contracts.requests import Slo
from weft.policies.slo_chunk import LEAST_STEPS, LEAST_TOKENS, SloChunk
from weft.policies.step_time import StepTime

BASE_S, PER_SEQUENCE_S, PER_TOKEN_S = 0.010, 0.0001, 0.00005


def taught(num_steps: int = 60, **settings: float) -> SloChunk:
    """By steps that take what the constants say."""
    policy, now_s = SloChunk(**settings), 0.0
    for number in range(num_steps):
        standing, prompt = 10 + number % 7 * 10, number % 5 * 100
        planned_s = now_s
        now_s += BASE_S + PER_SEQUENCE_S * standing + PER_TOKEN_S * prompt
        explicit = (ComputedUnits(1, 0, prompt, False, False),) if prompt else ()
        policy.observe(
            StepRecord(now_s, number, planned_s, standing + prompt, standing, explicit, (), 1, 0, 1)
        )
    return policy


def view(tpot_s: float | None, num_standing: int = 50) -> Replica:
    slo = None if tpot_s is None else Slo(None, tpot_s)
    return Replica(max_step_tokens=2048, num_standing=num_standing, running=[Seen(0), Seen(1, slo=slo)])


def test_a_chunk_is_as_long_as_the_strictest_objective_has_room_for() -> None:
    wanted = (0.030 - BASE_S - 50 * PER_SEQUENCE_S) / PER_TOKEN_S
    budget = taught().decide(view(0.030), 0.0)
    assert budget.prefill_tokens == pytest.approx(wanted, rel=0.05)
    assert (budget.admit, budget.chunk, budget.mix) == (True, True, True)


def test_prompts_get_a_little_where_the_objective_is_missed_anyway() -> None:
    assert taught().decide(view(0.001), 0.0).prefill_tokens == LEAST_TOKENS


def test_without_an_objective_or_anybody_who_decodes_a_step_is_filled() -> None:
    assert taught().decide(view(None), 0.0).prefill_tokens == 1998
    assert taught().decide(view(0.030, num_standing=0), 0.0).prefill_tokens == 2048


def test_before_steps_were_seen_a_step_is_filled() -> None:
    assert SloChunk().decide(view(0.030), 0.0).prefill_tokens == 1998


def test_requests_that_name_no_objective_may_be_given_one() -> None:
    named, default = taught().decide(view(0.030), 0.0), taught(default_tpot_s=0.030).decide(view(None), 0.0)
    assert named == default


def test_a_failed_step_teaches_nothing() -> None:
    policy, other = taught(), taught()
    policy.observe(StepRecord(99.0, 99, 0.0, 500, 10, (), (), 1, 0, 1, failed=True))
    assert policy.decide(view(0.030), 0.0) == other.decide(view(0.030), 0.0)


@pytest.mark.parametrize("seed", range(24))
def test_what_steps_tell_only_together_does_not_run_away(seed: int) -> None:
    """Where as many decode in many steps, a base and a price per sequence could cancel each other at any size."""
    random, steps, now_s, standing = Random(seed), StepTime(), 0.0, 0
    for number in range(400):
        prompt = random.choice((0,) * 12 + (100, 900, 1500))
        begun_s, taken_s = now_s, 0.0065 + 7e-5 * standing + 16e-6 * prompt + 3e-4 * random.random()
        now_s += taken_s
        steps.observe(StepRecord(now_s, number, begun_s, standing + prompt, standing, (), (), 1, 0, 1))
        if steps.num_prompt_steps >= LEAST_STEPS:
            room = (0.025 - 0.0065 - 7e-5 * standing - 1.5e-4) / 16e-6
            assert steps.prompt_tokens_within(0.025, standing) == pytest.approx(room, rel=0.05)
        standing += (prompt > 0 and random.random() < 0.8) - (standing > 0 and random.random() < 0.03)


def test_a_negative_objective_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"default_tpot_s is -1\.0; it must be 0 or more"):
        SloChunk(-1.0)
