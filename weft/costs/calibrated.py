"""Serving steps as they were measured on one machine with one model.

Of a small model most of a step is what calling kernels costs, and products take as long as the kernel that the
library chose for their number of rows, so neither follows from flops and bytes. What is left in the caches matters as
well: by a pause, and by a prompt.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.costs.serving_costs import Chunk
from weft.costs.step_curve import StepCurve, on_line

Wakings = tuple[tuple[float, float], ...]
"""(seconds without a step, seconds by which the next one is longer), rising in the first."""


class Settling(NamedTuple):
    """Seconds by which a step that only decodes is longer soon after one with chunks: in any case, for each token of
    these, and for each of these and each sequence that decodes; of `most_tokens` at most."""

    step: float
    token: float
    sequence_token: float
    most_tokens: int

    def seconds(self, prompt_tokens: int, num_decodes: int) -> float:
        """After so many tokens of prompts."""
        tokens = min(prompt_tokens, self.most_tokens)
        return self.step + tokens * (self.token + self.sequence_token * num_decodes)


MOST_HOST_SEQUENCES = 64
"""Of more, steps take so long that the host is done with the others meanwhile."""


class EngineWork(NamedTuple):
    """What steps of an engine take beside those made by hand: `decodes` times as long where they only decode, and
    `prompts` times where there are chunks. Seconds on top: `step_s`, `sequence_s` for each of up to
    `MOST_HOST_SEQUENCES` in it, and `admission_s` for each that begins with it."""

    decodes: float = 1.0
    prompts: float = 1.0
    step_s: float = 0.0
    sequence_s: float = 0.0
    admission_s: float = 0.0


class CalibratedCosts:
    """`ServingCosts` of a curve. `wakings_s`: a line between them, level before the first and after the last.
    `settlings`: of the first step after one with chunks, of the second, and so on."""

    wants_longest = False

    def __init__(
        self,
        curve: StepCurve,
        work: EngineWork = EngineWork(),  # noqa: B008  (it is frozen)
        wakings_s: Wakings = (),
        settlings: Sequence[Settling] = (),
    ) -> None:
        if min(work) < 0.0:
            raise ConfigurationError(f"an engine's work is {work}; none of it may be below 0")
        self._curve, self._work = curve, work
        self.admission_s, self._wakings_s = work.admission_s, wakings_s
        self._settlings, self.settling_steps = settlings, len(settlings)
        self._base_s: dict[int, float] = {}

    @property
    def pads_decodes(self) -> bool:
        """Whether `visible_tokens` are those of the longest sequence, times their number."""
        return self._curve.pads_decodes

    def seconds(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk] = (),
        longest_tokens: int = 0,
    ) -> float:
        """See `ServingCosts`."""
        if not num_tokens:
            return 0.0
        if not chunks:
            return self._decodes_s(num_decodes) + self._seen_s(self._layer_tokens(visible_tokens))
        amounts = self._curve.amounts(num_tokens, num_outputs, num_decodes, visible_tokens, chunks)
        seconds = self._curve.seconds(amounts)
        seconds *= self._work.prompts if amounts.has_chunks else self._work.decodes
        return seconds + self._host_s(num_decodes + len(chunks))

    def decode_seconds(
        self,
        num_decodes: int,
        visible_tokens: Sequence[int],
        per_step: Sequence[int],
        num_steps: int,
        longest_tokens: int = 0,
    ) -> list[float]:
        """See `ServingCosts`."""
        blind_s, seen = self._decodes_s(num_decodes), self._layer_tokens(visible_tokens)
        more = self._layer_tokens(per_step)
        return [blind_s + self._seen_s(seen + more * step) for step in range(num_steps)]

    def waking_seconds(self, idle_s: float) -> float:
        """See `ServingCosts`."""
        above = bisect_right(self._wakings_s, (idle_s, float("inf")))
        if above == 0 or above == len(self._wakings_s):
            return self._wakings_s[max(0, above - 1)][1] if self._wakings_s else 0.0
        (short_s, less_s), (long_s, more_s) = self._wakings_s[above - 1 : above + 1]
        return less_s + (idle_s - short_s) * (more_s - less_s) / (long_s - short_s)

    def settling_seconds(self, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        """See `ServingCosts`."""
        return self._settlings[steps_after].seconds(prompt_tokens, num_decodes)

    def joules(self, seconds: float, num_passes: int = 1) -> float | None:
        """Nobody measured them."""
        return None

    def _decodes_s(self, num_decodes: int) -> float:
        """Of a step that only decodes, all but what the sequences see."""
        known = self._base_s.get(num_decodes)
        if known is None:
            nothing = (0,) * len(self._curve.layers)
            amounts = self._curve.amounts(num_decodes, num_decodes, num_decodes, nothing, ())
            seconds = self._work.decodes * self._curve.seconds(amounts)
            known = self._base_s[num_decodes] = seconds + self._host_s(num_decodes)
        return known

    def _seen_s(self, layer_tokens: int) -> float:
        return self._work.decodes * on_line(self._curve.seen_s, layer_tokens)

    def _host_s(self, num_sequences: int) -> float:
        return self._work.step_s + self._work.sequence_s * min(num_sequences, MOST_HOST_SEQUENCES)

    def _layer_tokens(self, visible_tokens: Sequence[int]) -> int:
        layers = self._curve.layers
        return sum(group.number * tokens for group, tokens in zip(layers, visible_tokens, strict=True))
