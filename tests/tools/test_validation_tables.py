"""Tables say what a validation found."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.measurement.validation.recorded import POINT, REQUEST, STEP, write_run
from tools.validation_plots import MOST_DOTS, write_plots
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


def test_pictures_stand_alone_beside_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for kind, record in (("steps", STEP), ("requests", REQUEST), ("points", POINT)):
        write_run(tmp_path / kind, kind, [record])
        files.append(tmp_path / f"{kind}.json")
        files[-1].write_text(json.dumps(validate_against(tmp_path / kind, profiles="none").as_json()))
    main([*map(str, files), "--plots", str(tmp_path)])
    assert "| TTFT p90 | " in capsys.readouterr().out
    for kind, name in (("steps", "Llama-3.1-8B"), ("requests", "h100"), ("points", "h100")):
        text = (tmp_path / f"validation-{kind}.svg").read_text()
        assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
        assert f">{name}</text>" in text
        assert ">no error</text>" in text


def found_steps(model: str, number: int) -> dict[str, Any]:
    pairs = [[0.01 + 1e-5 * index, 0.012] for index in range(number)]
    return {"kind": "steps", "refusal": None, "facts": {"model": model}, "pairs": {"step": pairs}}


def test_dots_are_thinned_alike(tmp_path: Path) -> None:
    many, few = found_steps("a/many", 3 * MOST_DOTS), found_steps("a/few", MOST_DOTS)
    (path,) = write_plots([many, few], tmp_path)
    legend = 2
    dots = re.findall(r'circle class="(line\d)"', path.read_text())
    assert len(dots) == MOST_DOTS + legend
    assert dots.count("line1") - 1 == 3 * (dots.count("line0") - 1)


def test_a_run_that_was_refused_is_in_no_picture(tmp_path: Path) -> None:
    refused: dict[str, Any] = found_steps("a/b", 1) | {"refusal": "too large", "pairs": {}}
    assert write_plots([refused], tmp_path) == []
