"""Least squares with coefficients of at least 0."""

from collections.abc import Sequence
from math import sqrt

MOST_SWEEPS = 20_000
CLOSE = 1e-10


def nonnegative_least_squares(rows: Sequence[Sequence[float]], targets: Sequence[float]) -> list[float]:
    """The coefficients, none below 0, with which sums over each row come closest to its target.

    One coefficient at a time is set to its best value, the others fixed (Franc, Hlaváč and Navara, "Sequential
    coordinate-wise algorithm for the non-negative least squares problem", CAIP 2005). Columns of zeros get 0.
    """
    columns = list(zip(*rows, strict=True))
    norms = [sqrt(_dot(column, column)) for column in columns]
    used = [index for index, norm in enumerate(norms) if norm > 0.0]
    scaled = [[value / norms[index] for value in columns[index]] for index in used]
    gram = [[_dot(one, other) for other in scaled] for one in scaled]
    found = _descend(gram, [_dot(column, targets) for column in scaled])
    coefficients = [0.0] * len(columns)
    for index, value in zip(used, found, strict=True):
        coefficients[index] = value / norms[index]
    return coefficients


def _descend(gram: Sequence[Sequence[float]], moments: Sequence[float]) -> list[float]:
    """With columns of length 1, a coefficient's best value is where its part of the gradient vanishes."""
    found, gradient = [0.0] * len(moments), [-moment for moment in moments]
    for _ in range(MOST_SWEEPS):
        largest = 0.0
        for index, row in enumerate(gram):
            value = max(0.0, found[index] - gradient[index])
            change = value - found[index]
            if change:
                found[index] = value
                gradient = [slope + change * each for slope, each in zip(gradient, row, strict=True)]
                largest = max(largest, abs(change))
        if largest <= CLOSE * max(found, default=0.0):
            break
    return found


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
