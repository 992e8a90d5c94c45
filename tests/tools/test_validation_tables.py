"""Tables say what a validation found."""

import json
from pathlib import Path

import pytest

from tests.measurement.validation.recorded import POINT, REQUEST, STEP, write_run
from tools.validation_tables import main
from weft.measurement.validation.validating import validate_against


def test_every_kind_of_run_has_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "a", "steps", [STEP, STEP])
    write_run(runs / "b", "requests", [REQUEST])
    write_run(runs / "c", "points", [POINT])
    write_run(runs / "d", "points", [POINT, POINT], {"tp": 2})
    write_run(runs / "e", "points", [POINT], {"model": "nobody/nothing"})
    found = validate_against(runs, profiles="none")
    (tmp_path / "found.json").write_text(json.dumps(found.as_json()))
    main([str(tmp_path / "found.json")])
    lines = capsys.readouterr().out.splitlines()
    cells = {tuple(line.strip("| ").split(" | ")[:5]): line for line in lines if line.startswith("|")}
    assert ("vllm", "h100", "Llama-3.1-8B", "–", "3") in cells
    assert ("all", "", "", "", "3") in cells
    steps = next(line for line in lines if line.startswith("| a | 2 |"))
    error = found.experiments[0].errors[0]
    assert f"| {error.median:.1%} | {error.p90:.1%} | {error.bias:+.1%} | 0.0% | 0.0% |" in steps
    assert sum(line.startswith("| nobody/nothing | 1 | model 'nobody/nothing'") for line in lines) == 1
    assert any(line.startswith("| TTFT p90 | ") for line in lines)
