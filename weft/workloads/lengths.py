"""How long prompts and outputs are, together."""

from bisect import bisect_right
from dataclasses import dataclass
from random import Random
from typing import Protocol

from weft.contracts.errors import ConfigurationError
from weft.workloads.distributions import Distribution, Quantiles


class PairedLengths(Protocol):
    """Lengths of a prompt and its output, in tokens, at least 1 each."""

    def draw(self, random: Random) -> tuple[int, int]:
        """The next pair of this stream."""


def whole_tokens(value: float) -> int:
    """A drawn length as a number of tokens: rounded, at least 1."""
    return int(value + 0.5) or 1


@dataclass(frozen=True, slots=True)
class Independent:
    """The output's length does not depend on the prompt's."""

    prompt: Distribution
    output: Distribution

    def draw(self, random: Random) -> tuple[int, int]:
        return whole_tokens(self.prompt.draw(random)), whole_tokens(self.output.draw(random))


@dataclass(frozen=True, slots=True)
class Joint:
    """Measured together: the output's quantiles depend on where the prompt's length lies.

    `outputs[i]` holds for prompts between the quantiles at `edges[i]` and `edges[i + 1]`; edges rise from 0
    to 1.
    """

    prompt: Quantiles
    edges: tuple[float, ...]
    outputs: tuple[Quantiles, ...]

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.outputs) + 1 or not self.outputs:
            raise ConfigurationError(
                f"{len(self.outputs)} distributions of outputs between {len(self.edges)} edges; give one edge more"
            )

    def draw(self, random: Random) -> tuple[int, int]:
        probability = random.random()
        output = self.outputs[bisect_right(self.edges, probability) - 1]
        return whole_tokens(self.prompt.at(probability)), whole_tokens(output.draw(random))
