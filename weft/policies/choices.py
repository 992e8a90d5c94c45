"""One policy of each kind, as users choose them."""

from dataclasses import dataclass

from weft.policies.registry import (
    PolicyChoice,
    make_budget_policy,
    make_order_policy,
    make_preempt_policy,
    make_retain_policy,
)

KINDS = ("order", "budget", "preempt", "retain")


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
        make_order_policy(self.order)
        make_budget_policy(self.budget)
        make_retain_policy(self.retain)
        if self.preempt is not None:
            make_preempt_policy(self.preempt)


DEFAULT_POLICIES = PolicyChoices()
