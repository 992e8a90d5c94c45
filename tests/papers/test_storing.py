"""Runs on disk."""

from pathlib import Path

import pytest

from tests.papers.cards import card
from weft.papers.card import CardError, Observation, Pair
from weft.papers.running import Measurement, run_card
from weft.papers.storing import MACHINE, read_run, stored_run, write_run

FACTS = dict.fromkeys(MACHINE, "x")


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    run = stored_run(card(), run_card(card(), quick=False), FACTS, quick=False)
    write_run(run, tmp_path / "run.json")
    assert read_run(tmp_path / "run.json") == run
    assert [len(pairs) for pairs in run.pairs("speed").values()] == [5, 5]
    assert run.pairs("colour") == {}


def test_only_facts_of_the_machine_that_matter_are_kept() -> None:
    run = stored_run(card(), [], FACTS | {"load_average": 1.0}, quick=True)
    assert list(run.machine) == list(MACHINE)
    assert list(run.settings) == ["quick"]


def test_digits_that_mean_nothing_are_left_out(tmp_path: Path) -> None:
    observation = Observation({"speed": Pair(1 / 3, 2.0)}, {"winner": 8, "rate": 2 / 3})
    write_run(stored_run(card(), [Measurement("quick", 0, observation)], FACTS, quick=True), tmp_path / "a")
    (found,) = read_run(tmp_path / "a").measurements
    assert found.observation == Observation({"speed": Pair(0.333333, 2.0)}, {"winner": 8, "rate": 0.666667})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"card": "x", "measurements": [{"setting": 1}]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(CardError, match=r"run\.json is no run of a card .* make one with weft papers run"):
        read_run(path)
