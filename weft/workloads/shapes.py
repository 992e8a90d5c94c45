"""What a session looks like once it has arrived."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from weft.contracts.record import record
from weft.workloads.audience import ANYBODY, Audience
from weft.workloads.checks import MOST_TOKENS, check_at_least
from weft.workloads.distributions import Distribution
from weft.workloads.lengths import PairedLengths, whole_tokens
from weft.workloads.sessions import Client, Turn
from weft.workloads.streams import named_stream

MEAN_TURNS_SAMPLE = 2000


@record
class Visit:
    """A session without its number and time of arrival."""

    turns: tuple[Turn, ...]
    client: Client


class SessionShape(Protocol):
    """Makes sessions, one after the other, from one stream."""

    @property
    def mean_turns(self) -> float:
        """Requests per session, on average."""

    def draw(self, conversation: int, random: Random) -> Visit:
        """The next session; `conversation` names the content that only its own turns share."""


@dataclass(frozen=True, slots=True)
class Single:
    """One request each."""

    lengths: PairedLengths
    audience: Audience = ANYBODY

    @property
    def mean_turns(self) -> float:
        return 1.0

    def draw(self, conversation: int, random: Random) -> Visit:
        sender = self.audience.draw(random)
        prompt_tokens, output_tokens = self.lengths.draw(random)
        prompt = sender.prompt(conversation, prompt_tokens, alone=True)
        return Visit((Turn(prompt, output_tokens),), sender.client)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation or an agent's run: each prompt holds everything before it and something new.

    `num_turns`: how many (rounded, at least 1). `first`: prompt and output of the first turn. `later`: of
    each turn after it, the tokens that the user or a tool added, and the output. `delay_s`: what the user
    thinks or the tool runs before a later turn. A conversation ends before a prompt would grow beyond
    `most_prompt_tokens`.
    """

    num_turns: Distribution
    first: PairedLengths
    later: PairedLengths
    delay_s: Distribution
    audience: Audience = ANYBODY
    most_prompt_tokens: int = MOST_TOKENS
    mean_turns: float = field(init=False)

    def __post_init__(self) -> None:
        check_at_least("the longest prompt", self.most_prompt_tokens, 1)
        object.__setattr__(self, "mean_turns", self._measured_mean_turns())

    def draw(self, conversation: int, random: Random) -> Visit:
        return self._visit(conversation, whole_tokens(self.num_turns.draw(random)), random)

    def _visit(self, conversation: int, num_turns: int, random: Random) -> Visit:
        sender = self.audience.draw(random)
        prompt_tokens, output_tokens = self.first.draw(random)
        prompt = sender.prompt(conversation, prompt_tokens, alone=num_turns == 1)
        turns = [Turn(prompt, output_tokens)]
        for _ in range(num_turns - 1):
            added_tokens, next_output_tokens = self.later.draw(random)
            prompt_tokens += output_tokens + added_tokens
            if prompt_tokens + sender.prefix_tokens > self.most_prompt_tokens:
                break
            output_tokens, delay_s = next_output_tokens, self.delay_s.draw(random)
            turns.append(Turn(sender.prompt(conversation, prompt_tokens, False), output_tokens, delay_s))
        return Visit(tuple(turns), sender.client)

    def _measured_mean_turns(self) -> float:
        """The distribution's mean, less what rounding and the bound on prompts take away in a sample."""
        random, lost = named_stream(0, "mean turns"), 0.0
        for _ in range(MEAN_TURNS_SAMPLE):
            wanted = self.num_turns.draw(random)
            lost += wanted - len(self._visit(0, whole_tokens(wanted), random).turns)
        return self.num_turns.mean - lost / MEAN_TURNS_SAMPLE


@dataclass(frozen=True, slots=True)
class LazyTurns:
    """`number` requests that do not wait between each other: what one client of a closed loop asks.

    They are made anew, and equal, each time they are iterated, so that they need no memory.
    """

    lengths: PairedLengths
    seed: int
    client: int
    number: int

    def __iter__(self) -> Iterator[Turn]:
        random = named_stream(self.seed, f"closed loop client {self.client}")
        for _ in range(self.number):
            prompt_tokens, output_tokens = self.lengths.draw(random)
            yield Turn(ANYBODY.senders[0].prompt(0, prompt_tokens, alone=True), output_tokens)
