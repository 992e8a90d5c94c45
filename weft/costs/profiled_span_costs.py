"""As `span_costs.py`, where kernels were measured: the closed form of attention, corrected.

What a layer does per span besides attention depends on one number alone: for single tokens on how many they are, for
chunks on what they see together. It is listed anew for each such number.
"""

from collections.abc import Sequence
from functools import lru_cache

from weft.costs.kernel_ratios import AttentionCorrections, KernelRatios, alike, alone_key_s, overhang_s
from weft.costs.kernel_terms import KernelTerm, open_pass
from weft.costs.roofline import Machine
from weft.costs.serving_costs import Chunk
from weft.costs.span_costs import SpanCosts, chunk_sums, steps_s
from weft.model_specs.operations import Formats, Operation, OperationKind, Span
from weft.model_specs.shard import Shard

MOST_REMEMBERED = 1 << 14
"""Corrections of single tokens, by how many they are and about what they see. Bounds memory."""


class ProfiledSpanCosts(SpanCosts):
    """Of a layer, with the corrections of a profile."""

    def __init__(
        self, shard: Shard, layer: int, formats: Formats, machine: Machine, ratios: KernelRatios
    ) -> None:
        super().__init__(shard, layer, formats, machine)
        self._shard, self._layer, self._formats, self._machine = shard, layer, formats, machine
        one, longer = self._listed([Span(0, 1)]), self._listed([Span(0, 2)])
        self._single_attention, corrections = _attention(one, self._single, ratios)
        self._waits = corrections.waits_for_longest
        self._key_s = alone_key_s(corrections, max(line[2] for line in self._single_attention))
        self._single_correction = lru_cache(MOST_REMEMBERED)(corrections.single)
        self._beside_correction = lru_cache(MOST_REMEMBERED)(corrections.single_beside_chunks)
        self._chunk_attention, self._chunk_corrections = _attention(longer, self._chunks, ratios)
        self._has_single_others, self._has_chunk_others = len(one) > 1, len(longer) > 1
        self._single_others_s: dict[int, float] = {}

    @property
    def wants_longest(self) -> bool:
        return self._waits(2, True)

    def single_s(
        self, num_units: int, visible: int, beside_chunks: bool = False, longest_tokens: int = 0
    ) -> float:
        if not num_units:
            return 0.0
        over_s = (
            self._overhang_s(num_units, visible, longest_tokens, beside_chunks) if longest_tokens else 0.0
        )
        correction = self._beside_correction if beside_chunks else self._single_correction
        start_s, ratio = correction(num_units, alike(visible)[0])
        first, second = self._single_attention
        first_s = first[0] + first[1] * num_units + first[2] * visible
        second_s = second[0] + second[1] * num_units + second[2] * visible
        return (max(first_s, second_s) + start_s) * ratio + self._others_of_singles_s(num_units) + over_s

    def singles_s(
        self, num_units: int, visible: int, growth: int, num_steps: int, longest_tokens: int = 0
    ) -> list[float]:
        others_s, found, first_visible = self._others_of_singles_s(num_units), list[float](), visible
        while len(found) < num_steps:
            count = num_steps - len(found)
            middle, end = alike(visible)
            if growth:
                count = min(count, -(-(end - visible) // growth))
            start_s, ratio = self._single_correction(num_units, middle)
            seen = [visible + growth * step for step in range(count)]
            bounds_s = steps_s(self._single_attention, num_units, seen)
            found += [(bound_s + start_s) * ratio + others_s for bound_s in bounds_s]
            visible += growth * count
        if not longest_tokens:
            return found
        lengths = ((first_visible + growth * step, longest_tokens + step) for step in range(num_steps))
        over_s = (self._overhang_s(num_units, *each, beside_chunks=False) for each in lengths)
        return [seconds + more_s for seconds, more_s in zip(found, over_s, strict=True)]

    def chunks_s(self, chunks: Sequence[Chunk]) -> float:
        if not chunks:
            return 0.0
        units, visible, pairs = chunk_sums(chunks, self._window)
        correction = self._chunk_corrections.chunks(len(chunks), units, visible, pairs)
        first, second = self._chunk_attention
        first_s = first[0] + first[1] * units + first[2] * visible + first[3] * pairs
        second_s = second[0] + second[1] * units + second[2] * visible + second[3] * pairs
        return correction.seconds(max(first_s, second_s)) + self._others_of_chunks_s(visible)

    def _overhang_s(self, num_units: int, visible: int, longest_tokens: int, beside_chunks: bool) -> float:
        if not self._waits(num_units, beside_chunks):
            return 0.0
        longest = longest_tokens if self._window is None else min(longest_tokens, self._window)
        return overhang_s(self._key_s, num_units, visible, longest)

    def _others_of_singles_s(self, num_units: int) -> float:
        if not self._has_single_others:
            return 0.0
        known = self._single_others_s.get(num_units)
        if known is None:
            known = self._single_others_s[num_units] = self._others_s([Span(0, 1)] * num_units)
        return known

    def _others_of_chunks_s(self, visible: int) -> float:
        return self._others_s([Span(visible - 2, 2)]) if self._has_chunk_others else 0.0

    def _others_s(self, spans: list[Span]) -> float:
        others = (each for each in self._listed(spans) if each.kind is not OperationKind.ATTENTION)
        return sum(map(self._machine.seconds, others))

    def _listed(self, spans: list[Span]) -> list[Operation]:
        return list(open_pass(self._shard, self._formats, spans).span_operations(0, self._layer))


def _attention(
    listed: list[Operation], terms: Sequence[KernelTerm], ratios: KernelRatios
) -> tuple[KernelTerm, AttentionCorrections]:
    """Of the operations of a layer over a span, the one that is attention; `terms` are in the same order."""
    index = next(at for at, each in enumerate(listed) if each.kind is OperationKind.ATTENTION)
    return terms[index], ratios.of_attention(listed[index])
