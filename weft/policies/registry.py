"""Policies by name.

A policy is chosen by its name here, as `module:Class` for one of your own, either with settings behind it
(`priority:ageing_s=10`), or as anything callable that makes one (`functools.partial(Priority, ageing_s=10)`).
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import BudgetPolicy, DraftPolicy, OrderPolicy, PreemptPolicy, RetainPolicy
from weft.contracts.routing import RoutePolicy
from weft.policies.knobs import read_settings, split_choice

POLICIES: dict[str, dict[str, str]] = {
    "order": {
        "fcfs": "weft.policies.fcfs:Fcfs",
        "priority": "weft.policies.priority:Priority",
        "edf": "weft.policies.earliest_deadline_first:EarliestDeadlineFirst",
        "sjf": "weft.policies.shortest_job_first:ShortestJobFirst",
        "srpt": "weft.policies.shortest_remaining_first:ShortestRemainingFirst",
        "hrrn": "weft.policies.highest_response_ratio:HighestResponseRatio",
        "longest_prefix": "weft.policies.longest_prefix:LongestPrefix",
        "vtc": "weft.policies.virtual_token_counter:VirtualTokenCounter",
        "andes": "weft.policies.quality_of_experience:QualityOfExperience",
        "tiny_quanta": "weft.policies.tiny_quanta:TinyQuanta",
    },
    "budget": {
        "decode_first": "weft.policies.decode_first:DecodeFirst",
        "iteration_level": "weft.policies.iteration_level:IterationLevel",
        "prefill_first": "weft.policies.prefill_first:PrefillFirst",
        "request_level": "weft.policies.request_level:RequestLevel",
        "slo_chunk": "weft.policies.slo_chunk:SloChunk",
    },
    "preempt": {
        "latest_first": "weft.policies.latest_first:LatestFirst",
        "latest_first_swap": "weft.policies.latest_first_swap:LatestFirstSwap",
        "cheapest_to_restore": "weft.policies.cheapest_to_restore:CheapestToRestore",
        "least_progress": "weft.policies.least_progress:LeastProgress",
        "tenant_excess": "weft.policies.tenant_excess:TenantExcess",
    },
    "retain": {
        "lru": "weft.policies.lru:Lru",
        "lfu": "weft.policies.lfu:Lfu",
        "greedy_dual": "weft.policies.greedy_dual:GreedyDual",
        "session_aware": "weft.policies.session_aware:SessionAware",
        "tenant_quota": "weft.policies.tenant_quota:TenantQuota",
    },
    "draft": {},
    "route": {
        "round_robin": "weft.policies.round_robin:RoundRobin",
        "least_outstanding": "weft.policies.least_outstanding:LeastOutstanding",
        "least_outstanding_tokens": "weft.policies.least_outstanding_tokens:LeastOutstandingTokens",
        "power_of_two": "weft.policies.power_of_two:PowerOfTwo",
        "prequal": "weft.policies.prequal:Prequal",
        "prefix_affinity": "weft.policies.prefix_affinity:PrefixAffinity",
        "session_affinity": "weft.policies.session_affinity:SessionAffinity",
        "vtc": "weft.policies.soonest_turn:SoonestTurn",
    },
}
"""Every policy that ships, by kind and name."""

ORACLE_SUFFIX = "_oracle"
"""Behind an order that expects lengths: true ones, which only a simulation knows (`simulator/oracle.py`)."""

DECLARATIONS: dict[str, tuple[str, ...]] = {
    "order": ("rerank", "revision", "observes", "displaces"),
    "budget": ("observes",),
    "preempt": ("observes",),
    "retain": ("observes",),
    "draft": ("observes",),
    "route": ("num_probes",),
}
"""What a policy of each kind declares beside its methods."""

CONTRACTS = dict.fromkeys(POLICIES, "weft.contracts.policies") | {"route": "weft.contracts.routing"}
"""Where the class of a kind is."""

PolicyChoice = str | Callable[[], Any]
"""A name or `module:Class`, either with settings behind it, or a callable that makes the policy."""


def _make(kind: str, choice: PolicyChoice) -> object:
    policy = _named(kind, choice) if isinstance(choice, str) else choice()
    for method in ("observe", "decide"):
        if not callable(getattr(policy, method, None)):
            raise ConfigurationError(
                f"{kind} policy {choice!r} has no method {method!r}; see {CONTRACTS[kind]}"
            )
    for declaration in DECLARATIONS[kind]:
        if not hasattr(policy, declaration):
            raise ConfigurationError(
                f"{kind} policy {choice!r} declares no {declaration!r}; derive it from the kind's class in "
                f"{CONTRACTS[kind]}, which has a default"
            )
    return policy


def _named(kind: str, choice: str) -> object:
    name, settings = split_choice(choice)
    factory = load_policy(kind, name)
    return factory(**read_settings(name, factory, settings))


def load_policy(kind: str, name: str) -> Callable[..., object]:
    """What makes the policy of that name; raises `ConfigurationError` where there is none such."""
    target = name if ":" in name else POLICIES[kind].get(name)
    if target is None and name.endswith(ORACLE_SUFFIX):
        raise ConfigurationError(
            f"{kind} policy {name!r} knows the lengths of outputs ahead, which only weft simulate and weft compare do; "
            f"live, take {name.removesuffix(ORACLE_SUFFIX)!r}, which learns them"
        )
    if target is None:
        close = get_close_matches(name, POLICIES[kind], n=1)
        known = f"known are {', '.join(POLICIES[kind])}" if POLICIES[kind] else "none ships"
        advice = f"did you mean {close[0]!r}?" if close else known
        raise ConfigurationError(f"no {kind} policy is named {name!r}; {advice} (or give module:Class)")
    module, _, attribute = target.partition(":")
    try:
        return cast(Callable[..., object], getattr(import_module(module), attribute))
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{kind} policy {name!r} cannot be loaded: {error}") from None


def make_order_policy(choice: PolicyChoice) -> OrderPolicy:
    """A policy that says who runs next; raises `ConfigurationError` where there is none such."""
    return cast(OrderPolicy, _make("order", choice))


def make_budget_policy(choice: PolicyChoice) -> BudgetPolicy:
    """A policy that shares a step's tokens; raises `ConfigurationError` where there is none such."""
    return cast(BudgetPolicy, _make("budget", choice))


def make_preempt_policy(choice: PolicyChoice) -> PreemptPolicy:
    """A policy that says who gives way; raises `ConfigurationError` where there is none such."""
    return cast(PreemptPolicy, _make("preempt", choice))


def make_retain_policy(choice: PolicyChoice) -> RetainPolicy:
    """A policy that says what stays cached; raises `ConfigurationError` where there is none such."""
    return cast(RetainPolicy, _make("retain", choice))


def make_draft_policy(choice: PolicyChoice) -> DraftPolicy:
    """A policy that guesses tokens; raises `ConfigurationError` where there is none such."""
    return cast(DraftPolicy, _make("draft", choice))


def make_route_policy(choice: PolicyChoice) -> RoutePolicy:
    """A policy that says which replica takes a request; raises `ConfigurationError` where there is none such."""
    return cast(RoutePolicy, _make("route", choice))
