"""Exact at knots, constant outside, positive and between what it lies between."""

from itertools import product
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.costs.profiles.interpolation import Ladder, Plane, Surface

PLACES = st.floats(1.0, 1e6)
VALUES = st.floats(0.01, 100.0)
RAGGED = st.dictionaries(st.tuples(PLACES, PLACES, PLACES), VALUES, min_size=1, max_size=20)
AXES = st.tuples(*(st.lists(PLACES, min_size=1, max_size=4, unique=True).map(sorted) for _ in range(3)))


@given(RAGGED)
def test_a_ladder_is_exact_at_its_points(values: dict[tuple[float, ...], float]) -> None:
    ladder = Ladder.through(values)
    for point, value in values.items():
        assert ladder.at(point) == pytest.approx(value)


@given(RAGGED, st.tuples(*[st.floats(0.001, 1e9)] * 3))
def test_nothing_lies_outside_what_was_measured(
    values: dict[tuple[float, ...], float], point: tuple[float, ...]
) -> None:
    found = Ladder.through(values).at(point)
    assert min(values.values()) * (1 - 1e-9) <= found <= max(values.values()) * (1 + 1e-9)


def test_places_that_are_nearly_one_are_told_apart() -> None:
    near = 1e6 * (1 - 2**-53)
    ladder = Ladder.through({(near, 1.0): 2.0, (1e6, 1.0): 3.0})
    assert ladder.at((near, 1.0)) == pytest.approx(2.0)
    assert ladder.at((1e6, 1.0)) == pytest.approx(3.0)
    assert ladder.plane(()).at(near, 5.0) == pytest.approx(2.0)


def test_it_is_linear_in_logarithms_and_constant_outside() -> None:
    ladder = Ladder.grid([[1.0, 100.0], [2.0, 8.0]], [1.0, 1.0, 4.0, 9.0])
    assert ladder.at((10.0, 2.0)) == pytest.approx(2.0)
    assert ladder.at((10.0, 4.0)) == pytest.approx(sqrt(6.0))
    assert ladder.at((1000.0, 0.5)) == pytest.approx(4.0)
    assert ladder.at((0.001, 99.0)) == pytest.approx(1.0)


def test_levels_may_have_knots_of_their_own() -> None:
    ladder = Ladder.through({(1.0, 10.0): 2.0, (4.0, 1.0): 3.0, (4.0, 100.0): 27.0})
    assert ladder.at((1.0, 99.0)) == pytest.approx(2.0)
    assert ladder.at((2.0, 10.0)) == pytest.approx(sqrt(2.0 * 9.0))


@given(AXES, st.data())
def test_a_plane_is_the_ladder_with_its_first_coordinate_given(
    axes: tuple[list[float], ...], data: st.DataObject
) -> None:
    number = len(list(product(*axes)))
    ladder = Ladder.grid(axes, data.draw(st.lists(VALUES, min_size=number, max_size=number)))
    x, y, z = data.draw(st.tuples(*[st.floats(0.1, 1e7)] * 3))
    assert ladder.plane((x,)).at(y, z) == pytest.approx(ladder.at((x, y, z)))
    assert Surface(0.0, ladder).at((x, y, z)) == pytest.approx(ladder.at((x, y, z)))


@given(RAGGED)
def test_planes_of_ragged_levels_are_exact_at_measured_points(values: dict[tuple[float, ...], float]) -> None:
    surface = Surface(1e-6, Ladder.through(values))
    for point, value in values.items():
        assert surface.at(point) == pytest.approx(value)


@given(st.floats(1.0, 1e6), st.floats(1.0, 1e6))
def test_a_plane_grows_where_its_knots_do(row: float, step: float) -> None:
    plane = Plane([1.0, 50.0, 9000.0], [3.0], [[0.0], [1.0], [1.5]])
    assert plane.at(row, 7.0) <= plane.at(row + step, 7.0) * (1 + 1e-12)
