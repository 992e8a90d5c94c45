"""Pages stand alone, hold what they should, and run nothing that comes from outside."""

import re
from html.parser import HTMLParser

import pytest

import weft
from tests.simulator.simulated_service import MODEL, Listed
from weft.measurement.knee import Knee, SecondHalf
from weft.measurement.simulation_html import shares, simulation_page
from weft.measurement.simulation_text import describe_result
from weft.measurement.sweep import Sweep, SweepPoint
from weft.measurement.sweep_html import sweep_page

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'
ALLOWED = (
    "html head meta title style body h1 h2 p pre section div table thead tbody tr th td "
    "figure figcaption svg line text polyline circle ul li"
)
VOID = ("meta",)


class Page(HTMLParser):
    """Tags that are opened, and whether they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def checked(text: str) -> Page:
    """A page that fetches nothing and runs nothing."""
    page = Page(text)
    assert sorted({*page.tags} - {*ALLOWED.split()}) == []
    names = {name for name, _ in page.attributes}
    assert sorted(name for name in names if name.startswith("on") or name in ("src", "href", "style")) == []
    identities = [value for name, value in page.attributes if name == "id"]
    assert len(identities) == len({*identities})
    assert "url(" not in text
    assert "@import" not in text
    return page


def result(model: str = MODEL) -> weft.measurement.simulation.SimulationResult:
    found = weft.simulate(MODEL, Listed([(0.3 * number, 100, 20) for number in range(30)], EVIL), replicas=2)
    return type(found)(
        **{name: getattr(found, name) for name in found.__dataclass_fields__} | {"model": model}
    )


def test_a_page_holds_figures_configuration_and_plots() -> None:
    found = result()
    text = simulation_page(found, {"rate": 3.0})
    page = checked(text)
    assert page.tags.count("figure") == 4
    for line in describe_result(found)[1:-2]:
        if "'" not in line and "<" not in line:
            assert line in text
    for label in ("time (s)", "output tokens/s", "share of blocks (%)", "at most (ms)", "sequences"):
        assert label in text
    assert "<td>3.0</td>" in text
    assert text == simulation_page(found, {"rate": 3.0})


def test_nothing_from_outside_becomes_markup() -> None:
    found = result(EVIL)
    checked(simulation_page(found, {EVIL: EVIL}))
    half = SecondHalf(1.0, 2.0, 2.0)
    points = (
        SweepPoint({"rate": 1.0, EVIL: 1.0}, found, half),
        SweepPoint({"rate": 2.0, EVIL: 1.0}, found, half),
    )
    checked(sweep_page(Sweep(points, (Knee({EVIL: 1.0}, 1.0, 2.0),)), {EVIL: EVIL}))


def test_a_run_in_which_nothing_was_answered_has_a_page() -> None:
    refused = weft.simulate(MODEL, Listed([(0.0, 3000, 5)]), max_model_len=2000)
    assert "There is nothing to show." in simulation_page(refused, {})


def test_shares_rise_to_all() -> None:
    places = shares([float(number) for number in range(1000, 0, -1)])
    assert len(places) == 200
    assert places[0] == (1.0, 0.1)
    assert places[-1] == (1000.0, 100.0)
    assert all(share == pytest.approx(value / 10) for value, share in places)
    assert shares([]) == []
    assert shares([4.0]) == [(4.0, 100.0)]


def test_a_sweep_shows_the_knee_among_its_points() -> None:
    found = weft.sweep(MODEL, "azure-conv", {"replicas": (1, 2)}, requests=20, rate=10.0)
    plain = sweep_page(found, {})
    assert checked(plain).tags.count("figure") == 4
    assert 'class="upright"' not in plain
    half = SecondHalf(1.0, 20.0, 20.0)
    points = tuple(
        SweepPoint({"rate": rate}, point.result, half)
        for rate, point in zip((1.0, 2.0), found.points, strict=True)
    )
    text = sweep_page(Sweep(points, (Knee({}, 1.0, 1.01),)), {})
    checked(text)
    assert text.count('class="upright"') == 4
    assert "The knee is at 1 requests/s" in text
    assert re.search(r"knee at 1</title>", text)
