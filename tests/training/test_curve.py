"""The curve: one line per record, none twice after a run went on."""

from pathlib import Path

from weft.training.curve import Curve, read_curve
from weft.training.trainer import Record


def record(step: int) -> Record:
    return Record(step, step * 100, step / 2, 2.5, {"found": 0.75})


def test_lines_after_the_checkpoint_are_dropped_and_come_again(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    curve = Curve(path, 0)
    for step in (10, 20, 30):
        curve.add(record(step))
    first = path.read_text()
    again = Curve(path, 20)
    assert [row["step"] for row in read_curve(path)] == ["10", "20"]
    again.add(record(30))
    assert path.read_text() == first
    assert read_curve(path)[0] == {
        "step": "10",
        "num_tokens": "1000",
        "elapsed_s": "5.0",
        "loss": "2.5",
        "found": "0.75",
    }


def test_a_line_that_was_half_written_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    Curve(path, 0).add(record(10))
    whole = path.read_text()
    path.write_text(whole + "20,2000,1")
    Curve(path, 20)
    assert path.read_text() == whole


def test_a_run_that_begins_again_has_an_empty_curve_with_one_heading(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    Curve(path, 0).add(record(10))
    Curve(path, 0).add(record(10))
    assert len(path.read_text().splitlines()) == 2
