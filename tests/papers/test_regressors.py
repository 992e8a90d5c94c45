"""Regressors find what is there to be learned."""

from collections.abc import Sequence
from random import Random

import pytest

from weft.papers.regressors import REGRESSORS, fit_linear, fit_trees


def rows(number: int) -> list[tuple[float, float]]:
    random = Random(0)
    return [(random.uniform(0.0, 1e9), random.uniform(0.0, 10.0)) for _ in range(number)]


def total(row: Sequence[float]) -> float:
    return 5.0 + 1e-8 * row[0] + 3.0 * row[1]


def test_a_sum_is_found_and_goes_on_beyond_the_rows() -> None:
    known = rows(40)
    predict = fit_linear(1e-12, known, list(map(total, known)))
    for row in ((2e9, 20.0), (0.0, 0.0)):
        assert predict(row) == pytest.approx(total(row), rel=1e-6)


def test_features_that_never_differ_do_no_harm() -> None:
    known = [(row[0], 0.0, 7.0, row[1]) for row in rows(40)]
    values = [total((row[0], row[3])) for row in known]
    predict = fit_linear(1e-6, known, values)
    assert [predict(row) for row in known] == pytest.approx(values, rel=1e-3)


def test_trees_find_a_step_and_hold_what_they_saw_at_the_border() -> None:
    known = rows(80)
    predict = fit_trees(2, known, [10.0 if row[1] > 5.0 else 1.0 for row in known])
    assert predict((5e8, 100.0)) == pytest.approx(10.0, rel=0.02)
    assert predict((5e8, -100.0)) == pytest.approx(1.0, rel=0.02)


def test_trees_of_few_rows_are_their_geometric_mean() -> None:
    predict = fit_trees(3, [(1.0,), (2.0,)], [1.0, 4.0])
    assert predict((9.0,)) == pytest.approx(2.0)


@pytest.mark.parametrize("name", REGRESSORS)
def test_what_is_searched_learns_a_sum(name: str) -> None:
    known, others = rows(200), rows(260)[200:]
    predict = REGRESSORS[name](known, list(map(total, known)))
    errors = sorted(abs(predict(row) / total(row) - 1.0) for row in others)
    assert errors[len(errors) // 2] < 0.05
