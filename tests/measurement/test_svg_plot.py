"""Axes hold their data, and text stays text."""

from itertools import pairwise
from xml.dom.minidom import parseString

from hypothesis import given
from hypothesis import strategies as st

from weft.measurement.svg_plot import MOST_TICKS, Line, Plot, linear_ticks, log_ticks

NUMBERS = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9)
SIZES = st.floats(1e-9, 1e12)


@given(NUMBERS, SIZES)
def test_linear_ticks_enclose(low: float, size: float) -> None:
    high = low + size
    ticks = linear_ticks(low, high)
    slack = 1e-6 * (abs(low) + abs(high))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= MOST_TICKS + 1


@given(SIZES, st.floats(1.0, 1e9))
def test_log_ticks_enclose_and_rise(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert ticks[0] <= low * (1 + 1e-6)
    assert ticks[-1] >= low * ratio * (1 - 1e-6)
    assert all(first < second for first, second in pairwise(ticks))
    assert len(ticks) <= 10


@given(st.text(), st.text(), st.lists(st.tuples(st.floats(0.0, 1e6), st.floats(0.0, 1e6)), max_size=5))
def test_any_text_and_numbers_make_a_picture(
    name: str, title: str, points: list[tuple[float, float]]
) -> None:
    printable = "".join(each for each in name + title if each.isprintable())
    lines = [Line(f"{printable}<b>", points, marked=True), Line("b", points)]
    for is_log in (False, True):
        plot = Plot(f"<script>{printable}", printable, "&", lines, is_log, is_log, [(printable, 1.0)])
        svg = plot.as_svg("one")
        parseString(svg)
        assert "<script" not in svg
        assert "<b>" not in svg
        assert "nan" not in svg.replace(printable, "")


def test_a_larger_value_is_higher_and_further_right() -> None:
    svg = Plot("t", "x", "y", [Line("a", [(0.0, 0.0), (10.0, 10.0)])]).as_svg("one")
    (places,) = (line.getAttribute("points") for line in parseString(svg).getElementsByTagName("polyline"))
    (left, bottom), (right, top) = (map(float, place.split(",")) for place in places.split())
    assert left < right
    assert top < bottom


def test_an_axis_without_room_is_one() -> None:
    assert "polyline" in Plot("t", "x", "y", [Line("a", [(0.0, 0.0)])]).as_svg("one")
    assert "nothing to show" in Plot("t", "x", "y", [Line("a", [(0.0, 0.0)])], x_is_log=True).as_svg("one")
