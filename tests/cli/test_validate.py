"""`weft validate` on the command line, against recorded runs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.measurement.validation.recorded import STEP, write_run, write_runs
from weft.cli.main import command_line, main


def test_the_command_writes_what_it_is_asked_for(tmp_path: Path) -> None:
    runs = write_runs(tmp_path / "runs")
    files = ["--json", str(tmp_path / "found.json"), "--html", str(tmp_path / "found.html")]
    outcome = CliRunner().invoke(
        command_line,
        ["validate", "--against", str(runs), "--profiles", "none", "--server", "none", *files],
        catch_exceptions=False,
    )
    assert outcome.exit_code == 0
    assert "roofline of H100 SXM" in outcome.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["choices"] == {"profiles": "none", "server": "none"}
    page = (tmp_path / "found.html").read_text()
    assert "<script" not in page
    assert "Predicted against measured" in page


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path, "steps", [STEP, {"start_s": 1.0}])
    for arguments, message in (
        (["--against", str(tmp_path)], "steps.jsonl, line 2: column 'duration_s' is missing"),
        (["--against", str(tmp_path / "nowhere")], "it is no directory"),
        (["--against", str(tmp_path), "--json", "/no/where/f.json"], "there is no directory /no/where"),
        (
            ["--against", str(tmp_path), "--runs", "2"],
            "--runs is for runs on this machine; leave out --against",
        ),
        (["--against", str(tmp_path), "builtin"], "model is for runs on this machine"),
        (["--server", "vllm"], "--server is for recorded runs; add --against"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["validate", *arguments])
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
