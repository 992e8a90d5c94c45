"""Least squares without negative coefficients: exact where that is possible, and never improved by a small change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.calibration.nonnegative import nonnegative_least_squares

NUMBERS = st.integers(-8, 8).map(float)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.tuples(st.lists(NUMBERS, min_size=width, max_size=width), NUMBERS), min_size=1, max_size=8
    )
)


def squares(rows: list[list[float]], targets: list[float], coefficients: list[float]) -> float:
    sums = [sum(c * v for c, v in zip(coefficients, row, strict=True)) for row in rows]
    return sum((found - target) ** 2 for found, target in zip(sums, targets, strict=True))


def test_coefficients_that_fit_exactly_are_found() -> None:
    rows = [[1.0, 0.0, 2.0], [1.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 1.0, 1.0]]
    targets = [1.0 + 2 * 0.25, 1.0 + 0.5, 3 * 0.5 + 0.25, 1.75]
    assert nonnegative_least_squares(rows, targets) == pytest.approx([1.0, 0.5, 0.25])


def test_what_would_be_negative_is_zero_and_so_is_an_empty_column() -> None:
    assert nonnegative_least_squares([[1.0, 0.0], [2.0, 0.0]], [-1.0, -2.0]) == [0.0, 0.0]


@given(table=TABLES)
def test_no_small_change_helps(table: list[tuple[list[float], float]]) -> None:
    rows, targets = [row for row, _ in table], [target for _, target in table]
    found = nonnegative_least_squares(rows, targets)
    least = squares(rows, targets, found)
    assert min(found) >= 0.0
    for index in range(len(found)):
        for change in (-0.01, 0.01):
            moved = list(found)
            moved[index] = max(0.0, moved[index] + change)
            assert squares(rows, targets, moved) >= least - 1e-6
