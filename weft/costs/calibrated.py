"""Serving steps as they were measured on one machine with one model: a line in a few sizes, a curve in the rows.

Of a small model most of a step is what calling kernels costs, and products take as long as the kernel that the
library chose for their number of rows, so neither follows from flops and bytes.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.costs.serving_costs import Chunk
from weft.model_specs.operations import Span


class Layers(NamedTuple):
    """Those that see equally far back: how many, and how far; None: over all."""

    number: int
    window_tokens: int | None


class Slopes(NamedTuple):
    """Seconds, of a step in which something is computed for:

    an output (`output`); any sequence with one new token (`singles`), each of them (`single`), each token that one of
    them sees in a layer (`single_seen`), and what it takes more beyond so many (`single_far`); any longer chunk
    (`chunks`), each of them (`chunk`), each token that one reads in a layer (`chunk_seen`), each pair of a query and a
    key in a layer (`pair`).
    """

    output: float
    singles: float
    single: float
    single_seen: float
    single_far: float
    chunks: float
    chunk: float
    chunk_seen: float
    pair: float


class Amounts(NamedTuple):
    """Of a step, what `Slopes` are multiplied with; `rows` are those that products compute."""

    rows: int
    factors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StepCurve:
    """`rows_s`: (rows of products, seconds) in rising order of both, a line between them and on after the last.

    `row_tile`: products compute whole tiles of so many rows, so that steps are stairs. `pads_decodes`: sequences with
    one new token are padded to the longest of them, so each sees as much as that one.
    `near_tokens`: of all layers, that sequences with one new token see before `single_far` begins: as much state as
    the processor's caches keep.
    """

    layers: tuple[Layers, ...]
    row_tile: int
    pads_decodes: bool
    rows_s: tuple[tuple[int, float], ...]
    slopes: Slopes
    near_tokens: int

    def amounts(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk],
    ) -> Amounts:
        """Of a step as `ServingCosts` takes it."""
        return step_amounts(
            self.layers,
            self.row_tile,
            self.pads_decodes,
            self.near_tokens,
            (num_tokens, num_outputs, num_decodes, visible_tokens, chunks),
        )

    def seconds(self, amounts: Amounts) -> float:
        """Of a step with something to compute."""
        pairs = zip(self.slopes, amounts.factors, strict=True)
        return self.of_rows(amounts.rows) + sum(slope * factor for slope, factor in pairs)

    def of_rows(self, rows: int) -> float:
        """Of products and all that comes once, on the curve."""
        if len(self.rows_s) == 1:
            return self.rows_s[0][1]
        above = min(max(1, bisect_right(self.rows_s, (rows, float("inf")))), len(self.rows_s) - 1)
        (low, low_s), (high, high_s) = self.rows_s[above - 1 : above + 1]
        return low_s + max(0, rows - low) * (high_s - low_s) / (high - low)


StepSizes = tuple[int, int, int, Sequence[int], Sequence[Chunk]]
"""The arguments of `ServingCosts.seconds`."""


def step_amounts(
    layers: Sequence[Layers], row_tile: int, pads_decodes: bool, near_tokens: int, step: StepSizes
) -> Amounts:
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
    rows = -(-num_tokens // row_tile) * row_tile
    return Amounts(
        rows,
        (
            num_outputs,
            num_singles > 0,
            num_singles,
            seen,
            max(0, seen - near_tokens),
            bool(longer),
            len(longer),
            read,
            pairs,
        ),
    )


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


Wakings = tuple[tuple[float, float], ...]
"""(seconds without a step, seconds by which the next one is longer), rising in the first."""


class CalibratedCosts:
    """`ServingCosts` of a curve. `host_step_s`, `host_sequence_s`, `host_admission_s`: by how much the host's work
    makes a step longer, for each sequence in it, and for each that begins with it. `wakings_s`: a line between them,
    level before the first and after the last."""

    def __init__(
        self,
        curve: StepCurve,
        host_step_s: float = 0.0,
        host_sequence_s: float = 0.0,
        host_admission_s: float = 0.0,
        wakings_s: Wakings = (),
    ) -> None:
        if host_step_s < 0.0 or host_sequence_s < 0.0:
            raise ConfigurationError(
                f"the host takes {host_step_s:g} s per step and {host_sequence_s:g} s per sequence; neither may be "
                "below 0"
            )
        self._curve, self._host_step_s, self._host_sequence_s = curve, host_step_s, host_sequence_s
        self.admission_s, self._wakings_s = host_admission_s, wakings_s
        self._base_s: dict[int, float] = {}

    wants_longest = False

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
        return self._curve.seconds(amounts) + self._host_s(num_decodes + len(chunks))

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

    def joules(self, seconds: float, num_passes: int = 1) -> float | None:
        """Nobody measured them."""
        return None

    def _decodes_s(self, num_decodes: int) -> float:
        """Of a step that only decodes, all but what the sequences see."""
        known = self._base_s.get(num_decodes)
        if known is None:
            nothing = (0,) * len(self._curve.layers)
            amounts = self._curve.amounts(num_decodes, num_decodes, num_decodes, nothing, ())
            known = self._base_s[num_decodes] = self._curve.seconds(amounts) + self._host_s(num_decodes)
        return known

    def _seen_s(self, layer_tokens: int) -> float:
        slopes, far = self._curve.slopes, max(0, layer_tokens - self._curve.near_tokens)
        return slopes.single_seen * layer_tokens + slopes.single_far * far

    def _host_s(self, num_sequences: int) -> float:
        return self._host_step_s + self._host_sequence_s * num_sequences

    def _layer_tokens(self, visible_tokens: Sequence[int]) -> int:
        layers = self._curve.layers
        return sum(group.number * tokens for group, tokens in zip(layers, visible_tokens, strict=True))
