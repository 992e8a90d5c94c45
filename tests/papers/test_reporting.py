"""The page of verdicts."""

from typing import Any

import pytest

from tests.papers.cards import card
from weft.papers import report_html, reporting
from weft.papers.card import CardError
from weft.papers.running import Measurement, run_card
from weft.papers.storing import MACHINE, StoredRun, stored_run

FACTS = dict.fromkeys(MACHINE, "x")


@pytest.fixture(autouse=True)
def _example(monkeypatch: pytest.MonkeyPatch) -> None:
    found = card(finding="It is so.", departures=("it is smaller",))
    monkeypatch.setattr(reporting, "find_card", lambda _: found)
    monkeypatch.setattr(report_html, "find_card", lambda _: found)
    monkeypatch.setattr(reporting, "IDS", ("example",))


def full(**changes: Any) -> StoredRun:
    return stored_run(card(), run_card(card(), quick=False), FACTS, quick=False)._replace(**changes)


def test_the_page_tells_claim_measurement_and_verdict() -> None:
    page = reporting.report([full()])
    assert "| [example](#example) | speed: 2 times | 2 | **reproduced** |" in page
    assert "| other | 3 | 9 | 3 |" in page
    for text in ("By magic.", "Without.", "It is smaller.", "It is so.", "figure 1", "2 settings x 5 seeds"):
        assert text in page


def test_a_quick_run_decides_nothing() -> None:
    with pytest.raises(CardError, match="the run of example is a quick one"):
        reporting.report([full(quick=True)])


def test_a_run_with_another_grid_is_refused() -> None:
    settings = {"paper": {"name": "paper", "factor": 2.5}, "other": {"name": "other", "factor": 3.0}}
    with pytest.raises(CardError, match=r"another grid than the card \(paper\); run it anew"):
        reporting.report([full(settings=settings)])
    missing: list[Measurement] = run_card(card(), quick=False)[:-1]
    with pytest.raises(CardError, match="other seeds"):
        reporting.report([full(measurements=missing)])


def test_the_page_of_one_file_has_a_plot_for_each_claim() -> None:
    page = report_html.report_page([full()])
    assert page.count('role="img"') == len(card().claims)
    for text in ("example", "reproduced", "It is so.", "claimed", "no effect", "speed"):
        assert text in page
    assert "http" not in page.replace("http-equiv", "")


def test_settings_are_compared_as_a_file_gives_them_back() -> None:
    assert reporting._plain({"tokens": ((1, 2), (3, 4))}) == {"tokens": [[1, 2], [3, 4]]}
