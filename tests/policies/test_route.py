"""Which replica takes a request, by what the router's books say."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.traffic import request, traffic
from weft.contracts.errors import ConfigurationError
from weft.policies.draws import draw_distinct
from weft.policies.registry import POLICIES, make_route_policy

ROOT = Path(__file__).parents[2]


def test_round_robin_goes_round_whatever_is_under_way() -> None:
    seen = traffic("round_robin")
    seen.fill(a=6)
    assert [seen.send() for _ in range(4)] == ["a", "b", "c", "a"]


def test_asking_twice_changes_nothing() -> None:
    for name in POLICIES["route"]:
        seen = traffic(name)
        seen.send(request("first", session="s"))
        asked = request("second", session="t")
        assert len(dict.fromkeys(seen.choose(asked) for _ in range(5))) == 1


def test_least_outstanding_takes_the_first_of_those_with_the_fewest() -> None:
    seen = traffic("least_outstanding")
    seen.fill(a=2, b=1, c=1)
    assert [seen.send() for _ in range(3)] == ["b", "c", "a"]


def test_least_outstanding_tokens_counts_prompts_and_outputs_to_be_expected() -> None:
    seen = traffic("least_outstanding_tokens", "ab")
    seen.place("a", request("long", 100))
    seen.place("b", request("short", 30))
    seen.place("b", request("other", 30))
    assert seen.choose(request("next")) == "b"
    seen.place("b", request("ended", 10))
    seen.end("ended", output_tokens=50)  # two are expected to have 100 more tokens, one 50
    assert seen.choose(request("next")) == "a"


@given(st.integers(0, 2**64), st.integers(0, 2**40), st.integers(0, 40), st.integers(1, 60))
def test_draws_are_different_numbers_in_range_and_follow_from_their_key(
    seed: int, turn: int, num_drawn: int, num_choices: int
) -> None:
    drawn = draw_distinct(seed, turn, num_drawn, num_choices)
    assert len(drawn) == len(dict.fromkeys(drawn)) == min(num_drawn, num_choices)
    assert all(0 <= number < num_choices for number in drawn)
    assert drawn == draw_distinct(seed, turn, num_drawn, num_choices)


def test_every_order_of_draws_is_equally_likely() -> None:
    counts = Counter(tuple(draw_distinct(7, turn, 2, 3)) for turn in range(6000))
    assert len(counts) == 6
    assert all(880 < count < 1120 for count in counts.values())  # four standard deviations


def longest_queue(choice: str) -> int:
    seen = traffic(choice, "abcdefghijklmnopqrstuvwxyz")
    for _ in range(260):
        seen.send()
    return max(seen.counts)


def test_two_choices_balance_far_better_than_one() -> None:
    assert longest_queue("power_of_two") <= 12 < 16 <= longest_queue("power_of_two:choices=1")


def test_with_as_many_choices_as_replicas_it_is_the_least_loaded() -> None:
    seen = traffic("power_of_two:choices=5")
    seen.fill(a=3, b=2, c=4)
    assert seen.send() == "b"


def test_another_seed_draws_otherwise() -> None:
    one, same, other = (traffic(f"power_of_two:seed={seed}", "abcdefgh") for seed in (1, 1, 2))
    chosen = [[each.send() for _ in range(30)] for each in (one, same, other)]
    assert chosen[0] == chosen[1] != chosen[2]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("power_of_two:choices=0", "choices is 0; it must be at least 1"),
        ("prequal:probes=-1", "probes is -1.0; it must be 0 or more, and finite"),
        ("prequal:hot_quantile=2", "hot_quantile is 2.0; it must be from 0 to 1"),
        ("prequal:most_age_s=nan", "most_age_s is nan; it must be 0 or more, and finite"),
        ("prefix_affinity:block_tokens=0", "block_tokens is 0; it must be at least 1"),
        ("prefix_affinity:least_share=1.5", "least_share is 1.5; it must be from 0 to 1"),
        ("prefix_affinity:load_bound=0.9", "load_bound is 0.9; it must be 1 or more, and finite"),
        ("session_affinity:free_requests=-1", "free_requests is -1; it must be 0 or more"),
        ("session_affinity:most_sessions=-1", "most_sessions is -1; it must be 0 or more"),
        ("vtc:weights=alice=0", "the weight of tenant 'alice' is 0.0; it must be above 0 and finite"),
    ],
)
def test_a_setting_that_cannot_work_is_named(choice: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        make_route_policy(choice)


HISTORY = """
import hashlib
from random import Random
from tests.policies.traffic import request, traffic
from weft.contracts.prompts import TokenPrompt
from weft.policies.registry import POLICIES
for name in POLICIES["route"]:
    seen, random, chosen = traffic(name, "abcdefgh"), Random(5), []
    for number in range(400):
        seen.now_s = number / 20.0
        who, length = random.randrange(40), random.randrange(20, 90)
        prompt = TokenPrompt(tuple(1000 * who + position for position in range(length)))
        asked = request(f"r{number}", prompt=prompt, tenant=f"t{who % 3}", session=f"s{who}")
        chosen.append(seen.send(asked))
        for each in random.sample(seen.names, 3):
            seen.answer(each, random.randrange(9), random.random())
        if number in (100, 200):
            (seen.leave if number == 100 else seen.join)("c")
        if number > 30:
            seen.end(random.choice(list(seen.under_way)), random.randrange(50))
    print(name, hashlib.sha256("".join(chosen).encode()).hexdigest())
"""


def decisions(hash_seed: str) -> list[str]:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HISTORY]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, cwd=ROOT)
    return ran.stdout.splitlines()


def test_the_same_events_give_the_same_choices_in_every_process() -> None:
    first, second = decisions("1"), decisions("2")
    assert [line.split()[0] for line in first] == list(POLICIES["route"])
    assert first == second
