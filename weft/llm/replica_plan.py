"""What each of several replicas on one machine is made of, as data that can be sent to another process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import serving_options
from weft.contracts.requests import Slo
from weft.executor.limits import available_processors
from weft.executor.loading import cache_share, choose_backend, free_bytes
from weft.executor.serving_plan import ServingPlan, plan_serving
from weft.policies.choices import KINDS, PolicyChoices

if TYPE_CHECKING:
    from weft.llm.async_llm import AsyncLLM


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """Of one replica. `options`: what `ServingOptions` takes, with its share of the machine's memory and cores."""

    directory: str
    tokenizer: str | None
    chat_template: str | None
    tool_format: str
    options: dict[str, Any]
    policies: dict[str, str | None]
    objective: tuple[float | None, float | None] | None
    max_queue_delay_s: float | None

    def as_json(self) -> dict[str, Any]:
        """As `ReplicaPlan(**json)` takes it."""
        return asdict(self)

    def load(self) -> "AsyncLLM":
        """The model, loaded."""
        from weft.llm.async_llm import AsyncLLM

        chosen = {kind: choice for kind, choice in self.policies.items() if choice is not None}
        return AsyncLLM(
            self.directory,
            tokenizer=self.tokenizer,
            chat_template=self.chat_template,
            tool_format=self.tool_format,
            policies=PolicyChoices(**chosen),
            objective=None if self.objective is None else Slo(*self.objective),
            max_queue_delay_s=self.max_queue_delay_s,
            **self.options,
        )


def named_policies(policies: PolicyChoices) -> dict[str, str | None]:
    """Raises `ConfigurationError` for one that has no name, which cannot be sent."""
    found: dict[str, str | None] = {}
    for kind in KINDS:
        choice = getattr(policies, kind)
        if choice is not None and not isinstance(choice, str):
            raise ConfigurationError(
                f"{kind} policy {choice!r} cannot be sent to replicas; name it as module:Class, with settings behind it"
            )
        found[kind] = choice
    return found


def shared_plan(
    directory: Path, given: Mapping[str, Any], replicas: int
) -> tuple[ServingPlan, dict[str, Any]]:
    """What one of so many replicas takes, and its options: an equal share of memory and cores where none are given.

    Raises `ConfigurationError` for what keeps the model from being served so often.
    """
    options = dict(given)
    checked = serving_options(options)
    if checked.num_threads is None:
        options["num_threads"] = max(1, available_processors() // replicas)
    plan = plan_serving(directory, serving_options(options))
    if checked.kv_cache_memory_bytes is None:
        _, device = choose_backend(checked)
        left = free_bytes(device) - replicas * plan.weights_bytes
        if left <= 0:
            raise ConfigurationError(
                f"the weights of {replicas} replicas need {replicas * plan.weights_bytes >> 20} MiB and "
                f"{free_bytes(device) >> 20} MiB are free on {device}; serve fewer, or a smaller model"
            )
        options["kv_cache_memory_bytes"] = min(plan.cache_bytes, cache_share(left, device) // replicas)
        plan = plan_serving(directory, serving_options(options))
    return plan, options
