"""A policy is found by name, by place or by callable; what cannot be found is told with advice."""

import re
from functools import partial
from math import inf
from typing import Any

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import Policy
from weft.policies.fcfs import Fcfs
from weft.policies.priority import Priority
from weft.policies.registry import (
    POLICIES,
    make_budget_policy,
    make_draft_policy,
    make_order_policy,
    make_preempt_policy,
    make_retain_policy,
    make_route_policy,
)

PRIORITY: Any = Priority
"""Of any type, because a type checker takes a policy that inherits `observe` for an abstract class."""
MAKERS: dict[str, Any] = {
    "order": make_order_policy,
    "budget": make_budget_policy,
    "preempt": make_preempt_policy,
    "retain": make_retain_policy,
    "draft": make_draft_policy,
    "route": make_route_policy,
}


def test_every_kind_has_a_maker() -> None:
    assert list(MAKERS) == list(POLICIES)


FULL_NAMES = {
    "edf": "earliest_deadline_first",
    "sjf": "shortest_job_first",
    "srpt": "shortest_remaining_first",
    "hrrn": "highest_response_ratio",
    "vtc": "virtual_token_counter",
    "andes": "quality_of_experience",
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in POLICIES for name in POLICIES[kind]])
def test_every_name_makes_the_policy_of_that_name(kind: str, name: str) -> None:
    policy = MAKERS[kind](name)
    full_name = "soonest_turn" if (kind, name) == ("route", "vtc") else FULL_NAMES.get(name, name)
    assert type(policy).__module__ == f"weft.policies.{full_name}"
    assert type(policy).__name__.lower() == full_name.replace("_", "")
    assert MAKERS[kind](name) is not policy


def test_a_policy_of_ones_own_is_given_by_its_place() -> None:
    assert isinstance(make_order_policy("weft.policies.fcfs:Fcfs"), Fcfs)


def test_a_policy_with_parameters_is_given_as_a_callable() -> None:
    policy = make_order_policy(partial(PRIORITY, ageing_s=10.0))
    assert isinstance(policy, Priority)
    assert policy._ageing_s == 10.0


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("order", "fcsf", "no order policy is named 'fcsf'; did you mean 'fcfs'? (or give module:Class)"),
        (
            "budget",
            "zzz",
            "no budget policy is named 'zzz'; known are decode_first, iteration_level, prefill_first, "
            "request_level, slo_chunk (or give module:Class)",
        ),
        (
            "order",
            "lru",
            "no order policy is named 'lru'; known are fcfs, priority, edf, sjf, srpt, hrrn, longest_prefix, vtc, "
            "andes, tiny_quanta (or give module:Class)",
        ),
        ("preempt", "latest", "no preempt policy is named 'latest'; did you mean 'latest_first'?"),
        (
            "route",
            "prefix-affinity",
            "no route policy is named 'prefix-affinity'; did you mean 'prefix_affinity'?",
        ),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_or_all(kind: str, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}"):
        MAKERS[kind](name)


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("weft.policies.nowhere:X", "No module named 'weft.policies.nowhere'"),
        ("weft.policies.fcfs:Missing", "has no attribute 'Missing'"),
        ("weft.policies.fcfs:", "has no attribute ''"),
    ],
)
def test_a_place_that_cannot_be_loaded_is_told_with_the_problem(place: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^order policy '{place}' cannot be loaded: .*{problem}"):
        make_order_policy(place)


class Undecided:
    def observe(self, event: object) -> None:
        """Hears all and decides nothing."""


@pytest.mark.parametrize(("choice", "method"), [(Undecided, "decide"), ("builtins:object", "observe")])
def test_what_is_no_policy_is_refused_by_the_method_it_lacks(choice: Any, method: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has no method '{method}'; see weft.contracts.policies"):
        make_order_policy(choice)


class Bare:
    """Has both methods, and inherits none of the declarations that go with them."""

    def observe(self, event: object) -> None:
        """Hears all."""

    def decide(self, view: object, sequence: object, now_s: float) -> tuple[float, ...]:
        return ()


@pytest.mark.parametrize(
    ("kind", "lacking"), [("order", "rerank"), ("budget", "observes"), ("route", "num_probes")]
)
def test_what_lacks_a_declaration_is_refused_by_name(kind: str, lacking: str) -> None:
    with pytest.raises(ConfigurationError, match=lacking):
        MAKERS[kind](Bare)


@pytest.mark.parametrize("ageing_s", [0.0, -1.0, float("nan")])
def test_a_parameter_that_cannot_work_is_refused_with_its_value(ageing_s: float) -> None:
    with pytest.raises(ConfigurationError, match=f"ageing_s is {ageing_s}; it must be above 0 seconds"):
        make_order_policy(partial(PRIORITY, ageing_s=ageing_s))


def test_a_policy_hears_of_nothing_and_is_never_asked_anew_unless_it_says_so() -> None:
    policy = make_order_policy("fcfs")
    assert Policy.observes == policy.observes == ()
    assert (policy.rerank.at_s, policy.revision) == (inf, 0)


@pytest.mark.parametrize("place", [":Fcfs", ".fcfs:Fcfs"])
def test_a_place_without_a_module_is_refused_like_any_other(place: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        make_order_policy(place)


def test_where_no_policy_of_a_kind_ships_the_advice_says_so() -> None:
    with pytest.raises(ConfigurationError, match="no draft policy is named 'eagle'; none ships"):
        make_draft_policy("eagle")
