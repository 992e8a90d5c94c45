"""One policy of each kind, as users choose them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from weft.policies.registry import (
    PolicyChoice,
    make_budget_policy,
    make_order_policy,
    make_preempt_policy,
    make_retain_policy,
)

MAKERS: Mapping[str, Callable[[PolicyChoice], object]] = {
    "order": make_order_policy,
    "budget": make_budget_policy,
    "preempt": make_preempt_policy,
    "retain": make_retain_policy,
}
KINDS = tuple(MAKERS)


@dataclass(frozen=True, slots=True)
class PolicyChoices:
    """Who runs next, how prompts and decoding share a step, who gives way, what stays cached. `preempt` None:
    `latest_first`, swapping where there is host memory for it."""

    order: PolicyChoice = "fcfs"
    budget: PolicyChoice = "decode_first"
    preempt: PolicyChoice | None = None
    retain: PolicyChoice = "lru"

    def check(self) -> None:
        """Raises `ConfigurationError` for what is no policy of its kind."""
        for kind, make in MAKERS.items():
            if (choice := getattr(self, kind)) is not None:
                make(choice)


DEFAULT_POLICIES = PolicyChoices()
DEFAULT_ROUTER = "least_outstanding"
