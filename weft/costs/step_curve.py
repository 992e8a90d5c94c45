"""Seconds of a serving step as they follow from its sizes: lines that were measured, and slopes."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from weft.costs.serving_costs import Chunk
from weft.model_specs.operations import Span

Line = tuple[tuple[int, float], ...]
"""(amount, seconds) in rising order of both, straight between them and on after the last; level before the first."""


class Layers(NamedTuple):
    """Those that see equally far back: how many, and how far; None: over all."""

    number: int
    window_tokens: int | None


class Slopes(NamedTuple):
    """Seconds, of a step in which something is computed for:

    an output (`output`); any sequence with one new token (`singles`), each of them (`single`); any longer chunk
    (`chunks`), each of them (`chunk`), each token that one reads in a layer (`chunk_seen`), each pair of a query and a
    key in a layer (`pair`); and what each sequence with one new token takes more beside a chunk (`beside`).
    """

    output: float
    singles: float
    single: float
    chunks: float
    chunk: float
    chunk_seen: float
    pair: float
    beside: float


class Amounts(NamedTuple):
    """Of a step: `rows` that products compute, tokens `seen` in all layers by sequences with one new token, whether
    there are longer chunks, and what `Slopes` are multiplied with."""

    rows: int
    seen: int
    has_chunks: bool
    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepCurve:
    """`rows_s`: by rows of products, with all that comes once. `seen_s`: by tokens that sequences with one new token
    see, in all layers, from (0, 0) on; it bends where caches end. `beside_s`: by the same, what they take more beside
    a chunk, which leaves nothing of theirs in the caches.

    `row_tile`: products compute whole tiles of so many rows, so that steps are stairs. `pads_decodes`: sequences with
    one new token are padded to the longest of them, so each sees as much as that one.
    """

    layers: tuple[Layers, ...]
    row_tile: int
    pads_decodes: bool
    rows_s: Line
    seen_s: Line
    beside_s: Line
    slopes: Slopes

    def amounts(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk],
    ) -> Amounts:
        """Of a step as `ServingCosts` takes it."""
        sizes = num_tokens, num_outputs, num_decodes, visible_tokens, chunks
        return step_amounts(self.layers, self.row_tile, self.pads_decodes, sizes)

    def seconds(self, amounts: Amounts) -> float:
        """Of a step with something to compute."""
        pairs = zip(self.slopes, amounts.factors, strict=True)
        lines_s = on_line(self.rows_s, amounts.rows) + on_line(self.seen_s, amounts.seen)
        if amounts.has_chunks:
            lines_s += on_line(self.beside_s, amounts.seen)
        return lines_s + sum(slope * factor for slope, factor in pairs)


StepSizes = tuple[int, int, int, Sequence[int], Sequence[Chunk]]
"""The arguments of `ServingCosts.seconds`."""


def on_line(line: Line, amount: int) -> float:
    """Seconds of an amount."""
    if len(line) == 1:
        return line[0][1]
    above = min(max(1, bisect_right(line, (amount, float("inf")))), len(line) - 1)
    (low, low_s), (high, high_s) = line[above - 1 : above + 1]
    return low_s + max(0, amount - low) * (high_s - low_s) / (high - low)


def step_amounts(layers: Sequence[Layers], row_tile: int, pads_decodes: bool, step: StepSizes) -> Amounts:
    """What of a step its duration follows from."""
    num_tokens, num_outputs, num_decodes, visible_tokens, chunks = step
    singles = [before for tokens, before in chunks if tokens == 1]
    longer = [Span(before, tokens) for tokens, before in chunks if tokens > 1]
    seen = read = pairs = 0
    for (number, window), visible in zip(layers, visible_tokens, strict=True):
        seen += number * _seen(num_decodes, visible, singles, window, pads_decodes)
        read += number * sum(span.num_visible(window) for span in longer)
        pairs += number * sum(span.num_pairs(window) for span in longer)
    num_singles = num_decodes + len(singles)
    beside = num_singles if longer else 0
    factors = num_outputs, num_singles > 0, num_singles, bool(longer), len(longer), read, pairs, beside
    return Amounts(-(-num_tokens // row_tile) * row_tile, seen, bool(longer), factors)


def _seen(
    num_decodes: int, visible: int, singles: Sequence[int], window: int | None, pads_decodes: bool
) -> int:
    """By all sequences with one new token: those that decode, and prompts of which one token is left."""
    if not singles:
        return visible
    more = [before + 1 if window is None else min(before + 1, window) for before in singles]
    if not pads_decodes:
        return visible + sum(more)
    longest = max(*more, visible // num_decodes) if num_decodes else max(more)
    return (num_decodes + len(singles)) * longest
