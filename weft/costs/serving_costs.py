"""What a simulated executor asks of a cost model: the duration of serving steps, known by their sizes alone."""

from collections.abc import Sequence
from typing import Protocol

Chunk = tuple[int, int]
"""Tokens of a prompt that a step computes, and tokens of its context before them."""


class ServingCosts(Protocol):
    """Seconds of steps; see `StepCosts` for what each argument means.

    `pads_decodes`: `visible_tokens` are wanted as a kernel sees them that pads all sequences with one new token to the
    longest: their number times what that one sees. `wants_longest`: whether `longest_tokens` matters.
    `admission_s`: by how much a step is longer for each sequence that begins with it. `settling_steps`: how many steps
    after one with chunks are longer for it.
    """

    @property
    def pads_decodes(self) -> bool: ...
    @property
    def wants_longest(self) -> bool: ...
    @property
    def admission_s(self) -> float: ...
    @property
    def settling_steps(self) -> int: ...

    def seconds(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk] = (),
        longest_tokens: int = 0,
    ) -> float:
        """From a step's beginning to its end, the host's overhead included; 0 for a step without tokens."""

    def decode_seconds(
        self,
        num_decodes: int,
        visible_tokens: Sequence[int],
        per_step: Sequence[int],
        num_steps: int,
        longest_tokens: int = 0,
    ) -> list[float]:
        """As `seconds`, of steps that follow each other and do nothing but decode; `per_step`: how much more is
        visible in each than in the one before. `longest_tokens`: in the first."""

    def waking_seconds(self, idle_s: float) -> float:
        """By how much a step is longer that was begun `idle_s` after the last result was known, with none under way."""

    def settling_seconds(self, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        """By how much a step that only decodes is longer that comes `steps_after` others of its kind (fewer than
        `settling_steps`) after one with chunks, which had so many tokens."""

    def joules(self, seconds: float, num_passes: int = 1) -> float | None:
        """At most what all devices draw in so many passes that take `seconds` altogether; None where nobody knows."""
