"""What is measured, side by side: contenders take turns, so that a busy machine slows all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple, Protocol, TypeVar

from weft.measurement.token_times import LatencyRun, Spread, ThroughputRun, spread_of_known

Run = TypeVar("Run")


class Job(NamedTuple):
    """One request: the tokens of its prompt, and how many output tokens it wants, no fewer."""

    prompt: tuple[int, ...]
    output_tokens: int


Load = Sequence[Job]
"""Requests that are sent at once."""


class Contender(Protocol):
    """Something that serves a model. A `Load` of `latency` has prompts of one length and one output length."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def latency(self, load: Load) -> LatencyRun:
        """Serve a batch and tell when tokens came."""

    def throughput(self, load: Load) -> ThroughputRun:
        """Serve a load to the end."""

    def close(self) -> None:
        """Give up threads and memory."""


class FreshPrompts:
    """Random tokens by seed; no prompt comes twice, so that no cache of prefixes can help."""

    def __init__(self, seed: int, vocab_size: int) -> None:
        self._draw = Random(seed).randrange
        self._vocab_size = vocab_size

    def job(self, prompt_tokens: int, output_tokens: int) -> Job:
        """The next one."""
        prompt = tuple(self._draw(self._vocab_size) for _ in range(prompt_tokens))
        return Job(prompt, output_tokens)

    def jobs(self, lengths: Sequence[tuple[int, int]]) -> list[Job]:
        """One per pair of prompt length and output length, in tokens."""
        return [self.job(*pair) for pair in lengths]


def take_turns(
    contenders: Sequence[Contender],
    loads: Sequence[Load],
    measure: Callable[[Contender, Load], Run],
    tell: Callable[[str], None],
) -> dict[str, list[Run]]:
    """Let every contender serve the first load, then every one the second, and so on: A B A B.

    The first load warms up and does not count. `tell` is called before each run with the contender's name.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number, load in enumerate(loads):
        for contender in contenders:
            tell(contender.name)
            run = measure(contender, load)
            if number:
                runs[contender.name].append(run)
    return runs


def ratios(
    runs: Mapping[str, Sequence[Run]], figures: Mapping[str, Callable[[Run], float | None]]
) -> dict[str, Spread | None]:
    """The first contender's figures over the second's, run by run; empty where there is one only."""
    if len(runs) < 2:
        return {}
    ours, theirs = list(runs.values())[:2]
    pairs = list(zip(ours, theirs, strict=True))
    return {
        name: spread_of_known([_quotient(figure(our), figure(their)) for our, their in pairs])
        for name, figure in figures.items()
    }


def _quotient(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs
