"""Small regressors that predict positive values from features, fitted to relative errors."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from math import exp, log
from operator import mul
from statistics import fmean
from typing import NamedTuple

Row = Sequence[float]
Predictor = Callable[[Row], float]
Fit = Callable[[Sequence[Row], Sequence[float]], Predictor]
"""Rows (N, F) and N positive values to a predictor of one row."""

RATE = 0.1
"""Of what is left, the share that a tree explains (Friedman, Greedy Function Approximation, 2001, section 5)."""

ROUNDS = 60
"""Trees; a guess of ours before the first run, at which a rate of 0.1 leaves 0.2 % of what a tree could explain."""

BINS = 16
"""Per feature, each with an equal share of the rows."""

LEAST_ROWS = 5
"""On each side of a split."""

LEAST_GAIN = 1e-12
"""Of a split, in squares of logarithms: below it lies rounding."""


def fit_linear(penalty: float, rows: Sequence[Row], values: Sequence[float]) -> Predictor:
    """A sum of the features and a constant, each times a weight, with the least squares of relative errors.

    `penalty`: per row, on the square of what a weight contributes at its feature's mean, as a share of the mean value.
    """
    scales = [fmean(column) or 1.0 for column in zip(*rows, strict=True)]
    mean = fmean(values)

    def scaled(row: Row) -> list[float]:
        return [1.0, *(value / scale for value, scale in zip(row, scales, strict=True))]

    shares = [[part * mean / value for part in scaled(row)] for row, value in zip(rows, values, strict=True)]
    weights = _ridge(shares, [1.0] * len(values), penalty)
    return lambda row: mean * sum(map(mul, weights, scaled(row)))


def _ridge(rows: Sequence[Row], values: Sequence[float], penalty: float) -> list[float]:
    """By elimination in the normal equations, whose penalty makes them regular."""
    columns = list(zip(*rows, strict=True))
    matrix = [
        [sum(map(mul, left, right)) for right in columns] + [sum(map(mul, left, values))] for left in columns
    ]
    for index, line in enumerate(matrix):
        line[index] += penalty * len(rows)
    for index, pivot in enumerate(matrix):
        for line in (*matrix[:index], *matrix[index + 1 :]):
            factor = line[index] / pivot[index]
            line[:] = [left - factor * right for left, right in zip(line, pivot, strict=True)]
    return [line[-1] / line[index] for index, line in enumerate(matrix)]


def fit_trees(depth: int, rows: Sequence[Row], values: Sequence[float]) -> Predictor:
    """Boosted regression trees on the logarithm (Friedman 2001); they hold the outermost values beyond the rows."""
    features = _Features.of(rows)
    middle = fmean(map(log, values))
    left = [log(value) - middle for value in values]
    trees = []
    for _ in range(ROUNDS):
        tree = _tree(features, left, range(len(rows)), depth)
        left = [value - RATE * tree(row) for value, row in zip(left, rows, strict=True)]
        trees.append(tree)
    return lambda row: exp(middle + RATE * sum(tree(row) for tree in trees))


class _Features(NamedTuple):
    """Where trees may split: by feature, its place in a row, its thresholds, and how many of them each row exceeds."""

    places: list[int]
    thresholds: list[Sequence[float]]
    bins: list[tuple[int, ...]]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "_Features":
        """Of features that sort the rows alike, the first."""
        found: dict[tuple[int, ...], tuple[int, Sequence[float]]] = {}
        for place, column in enumerate(zip(*rows, strict=True)):
            ranked = sorted(column)
            cuts = [ranked[cut * len(ranked) // BINS] for cut in range(1, BINS)]
            thresholds = sorted(set(cuts) - {ranked[-1]})
            found.setdefault(tuple(bisect_left(thresholds, value) for value in column), (place, thresholds))
        return cls([place for place, _ in found.values()], [cuts for _, cuts in found.values()], list(found))


def _tree(features: _Features, values: Sequence[float], inside: Sequence[int], depth: int) -> Predictor:
    mean = fmean(values[index] for index in inside)
    found = _best_split(features, values, inside) if depth else None
    if found is None:
        return lambda _row: mean
    feature, cut = found
    bins, place, threshold = (
        features.bins[feature],
        features.places[feature],
        features.thresholds[feature][cut],
    )
    sides: tuple[list[int], list[int]] = ([], [])
    for index in inside:
        sides[bins[index] > cut].append(index)
    low, high = (_tree(features, values, side, depth - 1) for side in sides)
    return lambda row: (high if row[place] > threshold else low)(row)


def _best_split(
    features: _Features, values: Sequence[float], inside: Sequence[int]
) -> tuple[int, int] | None:
    """The feature and threshold that leave the least squares; None where no split leaves rows enough."""
    number, total = len(inside), sum(values[index] for index in inside)
    best, found = total * total / number + LEAST_GAIN, None
    for feature, bins in enumerate(features.bins):
        counts, sums = [0] * BINS, [0.0] * BINS
        for index in inside:
            counts[bins[index]] += 1
            sums[bins[index]] += values[index]
        below, summed = 0, 0.0
        for cut in range(len(features.thresholds[feature])):
            below, summed = below + counts[cut], summed + sums[cut]
            if min(below, number - below) < LEAST_ROWS:
                continue
            gain = summed**2 / below + (total - summed) ** 2 / (number - below)
            if gain > best:
                best, found = gain, (feature, cut)
    return found


REGRESSORS: dict[str, Fit] = {
    **{f"linear, penalty {penalty:g}": partial(fit_linear, penalty) for penalty in (1e-4, 1e-2)},
    **{f"trees of depth {depth}": partial(fit_trees, depth) for depth in (2, 4)},
}
"""What is searched: straight lines go on beyond what was seen, trees bend within it."""
