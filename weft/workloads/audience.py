"""Who sends the requests: tenants by weight, each with a system prompt of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.prompts import LengthPrompt, Prompt
from weft.workloads.checks import check_at_least
from weft.workloads.conversation_prompt import ConversationPrompt
from weft.workloads.distributions import Choice, zipf_weights
from weft.workloads.sessions import ANYONE, Client


class Sender(NamedTuple):
    """One that sends: a client, and the system prompt that all its prompts begin with (0 tokens: none)."""

    client: Client = ANYONE
    prefix: int = 0
    prefix_tokens: int = 0

    def prompt(self, conversation: int, num_tokens: int, alone: bool) -> Prompt:
        """A prompt of `num_tokens` after the system prompt; `alone`: no later prompt will contain it."""
        if alone and not self.prefix_tokens:
            return LengthPrompt(num_tokens)
        return ConversationPrompt(
            self.prefix_tokens + num_tokens, conversation, self.prefix, self.prefix_tokens
        )


@dataclass(frozen=True, slots=True)
class Audience:
    """Senders, and how much each of them sends."""

    senders: tuple[Sender, ...] = (Sender(),)
    weights: tuple[float, ...] = (1.0,)
    _choice: Choice = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.senders) != len(self.weights):
            raise ConfigurationError(
                f"{len(self.senders)} senders with {len(self.weights)} weights; give each a weight"
            )
        for sender in self.senders:
            check_at_least("the length of a system prompt", sender.prefix_tokens, 0)
        object.__setattr__(self, "_choice", Choice(self.weights))

    def draw(self, random: Random) -> Sender:
        """The sender of the next session."""
        return self.senders[self._choice.draw(random) if len(self.senders) > 1 else 0]


ANYBODY = Audience()


def tenants(weights: Sequence[float], system_prompt_tokens: int = 0) -> Audience:
    """Tenants `tenant-0` and on, with these shares of the sessions and a system prompt each."""
    senders = (
        Sender(Client(tenant=f"tenant-{index}"), index, system_prompt_tokens) for index in range(len(weights))
    )
    return Audience(tuple(senders), tuple(weights))


def zipf_tenants(number: int, system_prompt_tokens: int = 0, exponent: float = 1.0) -> Audience:
    """As `tenants`, with shares by Zipf's law."""
    return tenants(zipf_weights(number, exponent), system_prompt_tokens)
