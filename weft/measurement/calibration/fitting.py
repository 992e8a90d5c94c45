"""From measured steps to a curve, and how far the curve is from steps that it has not seen."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import mul
from statistics import median

from weft.costs.calibrated import Layers, Slopes, StepCurve, StepSizes, step_amounts
from weft.measurement.calibration.grid import GridPoint
from weft.measurement.calibration.nonnegative import nonnegative_least_squares
from weft.measurement.token_times import percentile

TIMED_SHARE = 0.8
"""Of steps that the stated error covers."""

NEAR_TOKENS = tuple(1 << power for power in range(10, 22, 2))
"""Of all layers: `StepCurve.near_tokens` is one of these."""


def fit_curve(
    layers: Sequence[Layers],
    row_tile: int,
    pads_decodes: bool,
    measured: Mapping[GridPoint, float],
    recorded_tokens: int = 0,
) -> StepCurve:
    """The curve whose relative errors, squared, have the least sum; it rises with the rows, and may jump after
    `recorded_tokens` (see `Limits`). Where caches end is tried."""
    sizes = {point: step_sizes(point, layers, pads_decodes) for point in measured}
    most_rows = max(-(-size[0] // row_tile) * row_tile for size in sizes.values())
    knots, found = _knots(row_tile, most_rows, recorded_tokens), dict[float, tuple[list[float], int]]()
    for near_tokens in NEAR_TOKENS:
        rows = []
        for point, seconds in measured.items():
            amounts = step_amounts(layers, row_tile, pads_decodes, near_tokens, sizes[point])
            features = (*_rises(amounts.rows, knots), *amounts.factors)
            rows.append([feature / seconds for feature in features])
        slopes = nonnegative_least_squares(rows, [1.0] * len(rows))
        found[sum((sum(map(mul, row, slopes)) - 1.0) ** 2 for row in rows)] = slopes, near_tokens
    slopes, near_tokens = found[min(found)]
    heights = [sum(slopes[: index + 1]) for index in range(len(knots))]
    rows_s = tuple(zip(knots, heights, strict=True))
    of_sizes = Slopes(*slopes[len(knots) :])
    return StepCurve(tuple(layers), row_tile, pads_decodes, rows_s, of_sizes, near_tokens)


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


def _knots(row_tile: int, most: int, recorded: int) -> list[int]:
    """Powers of two, in tiles, up to the most that was measured, and both sides of the jump where there is one."""
    knots = [row_tile]
    while 2 * knots[-1] <= most:
        knots.append(2 * knots[-1])
    jump = (recorded, recorded + 1) if 0 < recorded < most else ()
    return sorted(dict.fromkeys((*knots, *jump)))


def _rises(rows: int, knots: Sequence[int]) -> list[float]:
    """How far up each piece of the curve so many rows are; the last piece goes on."""
    pieces = pairwise(knots)
    rises = [max(0.0, (rows - low) / (high - low)) for low, high in pieces]
    return [1.0, *(min(1.0, rise) for rise in rises[:-1]), *rises[-1:]]
