"""What a replica in another process is made of, as data that can be sent there."""

from dataclasses import asdict, dataclass
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.llm.async_llm import AsyncLLM
from weft.policies.choices import KINDS, PolicyChoices


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """Of each of several replicas; fields as the arguments of `AsyncLLM`. `options`: of `ServingOptions`, by name.
    `emulated`: the model, the hardware and the mean tokens of outputs, as `EmulatedLLM` takes them; None where a model
    computes."""

    directory: str
    tokenizer: str | None
    chat_template: str | None
    tool_format: str
    options: dict[str, Any]
    policies: dict[str, str]
    objective: tuple[float | None, float | None] | None
    max_queue_delay_s: float | None
    emulated: tuple[str, str, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """As `ReplicaPlan(**json)` takes it."""
        return asdict(self)

    def load(self) -> AsyncLLM:
        """The model, loaded. Raises `ConfigurationError` as that does."""
        named = {
            "tokenizer": self.tokenizer,
            "chat_template": self.chat_template,
            "tool_format": self.tool_format,
            "policies": PolicyChoices(**self.policies),
            "objective": None if self.objective is None else Slo(*self.objective),
            "max_queue_delay_s": self.max_queue_delay_s,
            **self.options,
        }
        if self.emulated is None:
            return AsyncLLM(self.directory, **named)
        from weft.llm.emulated_llm import EmulatedLLM

        model, hardware, output_tokens = self.emulated
        return EmulatedLLM(model, hardware, output_tokens=output_tokens, **named)


def named_policies(policies: PolicyChoices) -> dict[str, str]:
    """By kind, those that were chosen. Raises `ConfigurationError` for one that has no name, and so cannot be sent."""
    found = {kind: getattr(policies, kind) for kind in KINDS}
    for kind, choice in found.items():
        if choice is not None and not isinstance(choice, str):
            raise ConfigurationError(
                f"{kind} policy {choice!r} cannot be sent to replicas; name it as module:Class, with settings behind it"
            )
    return {kind: choice for kind, choice in found.items() if choice is not None}
