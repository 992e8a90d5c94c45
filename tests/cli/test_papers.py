"""`weft papers` on the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft.cli.main import command_line, main
from weft.papers.catalogue import IDS

RESULTS = Path(__file__).parents[2] / "docs" / "papers"


def weft(*arguments: str) -> str:
    return CliRunner().invoke(command_line, ["papers", *arguments], catch_exceptions=False).output


def test_the_list_has_a_line_for_each_paper() -> None:
    assert [line.split()[0] for line in weft("list").splitlines()] == list(IDS)


def test_a_card_is_shown_with_claim_source_and_grid() -> None:
    shown = weft("show", "orca")
    for text in ("36.9", "figure 10", "unvalidated regime", "request_level", "175B on 16 A100"):
        assert text in shown


def test_a_card_says_which_recorded_runs_it_reads() -> None:
    shown = weft("show", "ets-itertime")
    assert "data       steps of inference-sim" in shown
    assert "unvalidated" not in shown
    assert "data " not in weft("show", "orca")


def test_a_quick_run_is_told_and_stored(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    told = weft("run", "datacenter-gpu-as-computer", "--quick", "--out", str(path))
    assert "distance from the ridge: claimed 1.25" in told
    stored = json.loads(path.read_text())
    assert stored["quick"] is True
    assert stored["settings"]["quick"]["hardware"] == "h100"
    assert stored["machine"]["python"]


def test_the_page_is_that_of_the_stored_runs() -> None:
    assert sorted(path.stem for path in RESULTS.glob("*.json")) == sorted(IDS)
    assert weft("report", str(RESULTS)) == (RESULTS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "orka"], "did you mean orca?"),
        (["run", "orca", "--out", "/no/such/place.json"], "there is no directory"),
        (["run", "orca", "--jobs", "0"], "0 is not in the range"),
        (["run", "ets-itertime"], "needs recorded runs"),
        (["run", "orca", "--data", "/no/such/place"], "does not exist"),
        (["report", "/no/such/place"], "does not exist"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["papers", *arguments])
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_directory_without_runs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["papers", "report", str(tmp_path)])
    assert "has no *.json; make runs with weft papers run" in capsys.readouterr().err
