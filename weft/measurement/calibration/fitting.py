"""From measured steps to a curve, and how far the curve is from steps that it has not seen."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, islice, pairwise
from statistics import median

from weft.costs.step_curve import (
    Amounts,
    Layers,
    Line,
    Slopes,
    StepCurve,
    StepSizes,
    step_amounts,
)
from weft.measurement.calibration.grid import GridPoint
from weft.measurement.calibration.nonnegative import nonnegative_least_squares
from weft.measurement.token_times import percentile

TIMED_SHARE = 0.8
"""Of steps that the stated error covers."""

SEEN_TOKENS = tuple(1 << power for power in range(12, 24))
"""Of all layers: where lines over what is seen may bend."""


def fit_curve(
    layers: Sequence[Layers],
    row_tile: int,
    pads_decodes: bool,
    measured: Mapping[GridPoint, float],
) -> StepCurve:
    """The curve whose relative errors, squared, have the least sum; it rises with the rows and with what is seen."""
    amounts = {
        point: step_amounts(layers, row_tile, pads_decodes, step_sizes(point, layers, pads_decodes))
        for point in measured
    }
    rows = _knots(row_tile, max(each.rows for each in amounts.values()))
    most_seen = max(each.seen for each in amounts.values())
    seen = (0, SEEN_TOKENS[0], *(tokens for tokens in SEEN_TOKENS[1:] if tokens < most_seen))
    features = [
        [feature / measured[point] for feature in _features(each, rows, seen)]
        for point, each in amounts.items()
    ]
    found = iter(nonnegative_least_squares(features, [1.0] * len(features)))
    rows_s = _line(rows, list(islice(found, len(rows))))
    seen_s, beside_s = (_line(seen, [0.0, *islice(found, len(seen) - 1)]) for _ in range(2))
    return StepCurve(tuple(layers), row_tile, pads_decodes, rows_s, seen_s, beside_s, Slopes(*found))


def _features(amounts: Amounts, rows: Sequence[int], seen: Sequence[int]) -> list[float]:
    """What the coefficients of a curve are multiplied with: rises of its lines, then `Slopes`."""
    seen_rises = _rises(amounts.seen, seen)[1:]
    return [
        *_rises(amounts.rows, rows),
        *seen_rises,
        *(amounts.has_chunks * rise for rise in seen_rises),
        *amounts.factors,
    ]


def step_sizes(point: GridPoint, layers: Sequence[Layers], pads_decodes: bool) -> StepSizes:
    """A measured step as a cost model is asked for it; the contexts are those in the midst of a visit."""
    visible = tuple(_visible(point.timed_contexts, group.window_tokens, pads_decodes) for group in layers)
    num_outputs = point.num_decodes + len(point.chunks)
    return point.num_tokens, num_outputs, point.num_decodes, visible, point.chunks


def _visible(contexts: Sequence[int], window: int | None, pads_decodes: bool) -> int:
    seen = [context if window is None else min(context, window) for context in contexts]
    return len(seen) * max(seen, default=0) if pads_decodes else sum(seen)


def relative_errors(curve: StepCurve, measured: Mapping[GridPoint, float]) -> list[float]:
    """Of each step, by how much the curve is too high, as a share of what was measured."""
    errors = []
    for point, seconds in measured.items():
        predicted = curve.seconds(curve.amounts(*step_sizes(point, curve.layers, curve.pads_decodes)))
        errors.append(predicted / seconds - 1.0)
    return errors


def stated_error(errors: Sequence[float]) -> tuple[float, float]:
    """The median of their sizes, and what four fifths of them stay within."""
    sizes = [abs(error) for error in errors]
    return median(sizes), percentile(sizes, TIMED_SHARE)


def _knots(row_tile: int, most: int) -> list[int]:
    """Powers of two, in tiles, up to the most that was measured."""
    knots = [row_tile]
    while 2 * knots[-1] <= most:
        knots.append(2 * knots[-1])
    return knots


def _line(knots: Sequence[int], rises_s: Sequence[float]) -> Line:
    return tuple(zip(knots, accumulate(rises_s), strict=True))


def _rises(amount: int, knots: Sequence[int]) -> list[float]:
    """How far up each piece of a line an amount is, after its beginning; the last piece goes on."""
    rises = [max(0.0, (amount - low) / (high - low)) for low, high in pairwise(knots)]
    return [1.0, *(min(1.0, rise) for rise in rises[:-1]), *rises[-1:]]
