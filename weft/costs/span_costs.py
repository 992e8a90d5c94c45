"""Seconds of one layer's kernels over the spans of a step, of any number of steps.

Attention is in closed form in sums over the spans (`kernel_terms.py`), and so is what else a layer does per span with
latent attention or on several ranks of `cp`.
"""

from collections.abc import Sequence

from weft.costs.kernel_terms import KernelTerm, chunk_terms, single_terms
from weft.costs.roofline import Machine
from weft.costs.serving_costs import Chunk
from weft.model_specs.operations import Formats, Span
from weft.model_specs.shard import Shard


class SpanCosts:
    """Of a layer, on the plain roofline."""

    def __init__(self, shard: Shard, layer: int, formats: Formats, machine: Machine) -> None:
        self._window = shard.spec.layer_windows[layer]
        self._single = single_terms(shard, layer, formats, machine)
        self._chunks = chunk_terms(shard, layer, formats, machine)

    @property
    def wants_longest(self) -> bool:
        """Whether what the longest span sees matters."""
        return False

    def single_s(
        self, num_units: int, visible: int, beside_chunks: bool = False, longest_tokens: int = 0
    ) -> float:
        """Of so many spans of one token each, which together see so many, the longest of them so many; 0: all are
        alike. `beside_chunks`: in a step that has longer spans too. Both matter where kernels were measured."""
        if not num_units:
            return 0.0
        total = 0.0
        for first, second in self._single:
            first_s = first[0] + first[1] * num_units + first[2] * visible
            second_s = second[0] + second[1] * num_units + second[2] * visible
            total += first_s if first_s > second_s else second_s
        return total

    def singles_s(
        self, num_units: int, visible: int, growth: int, num_steps: int, longest_tokens: int = 0
    ) -> list[float]:
        """As `single_s`, of steps that follow each other and of which each sees `growth` more than the one before."""
        total, seen = [0.0] * num_steps, [visible + growth * step for step in range(num_steps)]
        for term in self._single:
            alone = steps_s(term, num_units, seen)
            total = [so_far + seconds for so_far, seconds in zip(total, alone, strict=True)]
        return total

    def chunks_s(self, chunks: Sequence[Chunk]) -> float:
        """Of spans of several tokens."""
        if not chunks:
            return 0.0
        units, visible, pairs = chunk_sums(chunks, self._window)
        total = 0.0
        for first, second in self._chunks:
            first_s = first[0] + first[1] * units + first[2] * visible + first[3] * pairs
            second_s = second[0] + second[1] * units + second[2] * visible + second[3] * pairs
            total += first_s if first_s > second_s else second_s
        return total


def steps_s(term: KernelTerm, num_units: int, seen: Sequence[int]) -> list[float]:
    """Of one kernel over spans of one token each, for each number of tokens that these see."""
    first, second = term
    first_s, second_s = first[0] + first[1] * num_units, second[0] + second[1] * num_units
    return [max(first_s + first[2] * each, second_s + second[2] * each) for each in seen]


def chunk_sums(chunks: Sequence[Chunk], window: int | None) -> tuple[int, int, int]:
    """Over chunks: their tokens, the positions that each sees, the pairs of both."""
    units = visible = pairs = 0
    for tokens, context in chunks:
        units += tokens
        if window is None:
            visible += context + tokens
            pairs += tokens * (2 * context + tokens + 1) // 2
        else:
            span = Span(context, tokens)
            visible += span.num_visible(window)
            pairs += span.num_pairs(window)
    return units, visible, pairs
