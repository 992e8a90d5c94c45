"""The command that makes the model: its errors are one line, its curve is a CSV file."""

import csv
from pathlib import Path

import pytest

from tools import train_first_model
from weft.training.trainer import Record


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["train_first_model.py", *arguments])
    return train_first_model.main()


def test_a_missing_model_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "--samples", str(tmp_path / "none")) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_training_and_samples_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit) as ending:
        call(monkeypatch)
    assert ending.value.code == 2


def test_the_curve_has_one_line_for_each_record(tmp_path: Path) -> None:
    with train_first_model._curve(tmp_path / "curve.csv") as curve:
        for step in (10, 20):
            curve(Record(step, step * 100, 1.5, 2.5, 0.75))
    with (tmp_path / "curve.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["10", "20"]
    assert rows[0] == {
        "step": "10",
        "num_tokens": "1000",
        "elapsed_s": "1.5",
        "loss": "2.5",
        "evaluation": "0.75",
    }


def test_there_are_twenty_samples() -> None:
    assert len(train_first_model.COMPLETIONS) + len(train_first_model.CHATS) == 20
