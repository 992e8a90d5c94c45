"""Policies by name.

A policy is chosen by its name here, as `module:Class` for one of your own, or as anything callable that
makes one (`functools.partial(Priority, ageing_s=10)`).
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import BudgetPolicy, DraftPolicy, OrderPolicy, PreemptPolicy, RetainPolicy

POLICIES: dict[str, dict[str, str]] = {
    "order": {
        "fcfs": "weft.policies.fcfs:Fcfs",
        "priority": "weft.policies.priority:Priority",
        "vtc": "weft.policies.virtual_token_counter:VirtualTokenCounter",
    },
    "budget": {
        "decode_first": "weft.policies.decode_first:DecodeFirst",
        "iteration_level": "weft.policies.iteration_level:IterationLevel",
        "prefill_first": "weft.policies.prefill_first:PrefillFirst",
        "request_level": "weft.policies.request_level:RequestLevel",
    },
    "preempt": {
        "latest_first": "weft.policies.latest_first:LatestFirst",
        "latest_first_swap": "weft.policies.latest_first_swap:LatestFirstSwap",
        "cheapest_to_restore": "weft.policies.cheapest_to_restore:CheapestToRestore",
    },
    "retain": {"lru": "weft.policies.lru:Lru"},
    "draft": {},
}
"""Every policy that ships, by kind and name."""

DECLARATIONS: dict[str, tuple[str, ...]] = {
    "order": ("rerank", "revision", "observes"),
    "budget": ("observes",),
    "preempt": ("observes",),
    "retain": (),
    "draft": ("observes",),
}
"""What a policy of each kind declares beside its methods."""

PolicyChoice = str | Callable[[], Any]
"""A name, `module:Class`, or a callable that makes the policy."""


def _make(kind: str, choice: PolicyChoice) -> object:
    factory = _load(kind, choice) if isinstance(choice, str) else choice
    policy = factory()
    for method in ("observe", "decide"):
        if not callable(getattr(policy, method, None)):
            raise ConfigurationError(
                f"{kind} policy {choice!r} has no method {method!r}; see weft.contracts.policies"
            )
    for declaration in DECLARATIONS[kind]:
        if not hasattr(policy, declaration):
            raise ConfigurationError(
                f"{kind} policy {choice!r} declares no {declaration!r}; derive it from the kind's class in "
                "weft.contracts.policies, which has a default"
            )
    return policy


def _load(kind: str, name: str) -> Callable[[], object]:
    target = name if ":" in name else POLICIES[kind].get(name)
    if target is None:
        close = get_close_matches(name, POLICIES[kind], n=1)
        known = f"known are {', '.join(POLICIES[kind])}" if POLICIES[kind] else "none ships"
        advice = f"did you mean {close[0]!r}?" if close else known
        raise ConfigurationError(f"no {kind} policy is named {name!r}; {advice} (or give module:Class)")
    module, _, attribute = target.partition(":")
    try:
        return cast(Callable[[], object], getattr(import_module(module), attribute))
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
