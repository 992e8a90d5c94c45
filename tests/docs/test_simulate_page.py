"""docs/simulate.md: its commands and its example run."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft.cli.main import command_line
from weft.policies.registry import POLICIES

PAGE = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for each, text in found if each == language]


def test_the_example_runs() -> None:
    (example,) = blocks("python")
    names: dict[str, object] = {"print": lambda *figures: names.update(figures=figures)}
    exec(example, names)
    figures = names["figures"]
    assert isinstance(figures, tuple)
    assert all(figure > 0.0 for figure in figures)


def test_the_command_runs() -> None:
    (line,) = blocks("")
    outcome = CliRunner().invoke(
        command_line, [*line.split()[1:], "--requests", "20"], catch_exceptions=False
    )
    assert "Successful requests:                     20" in outcome.output


def test_the_sweeps_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line.split()[1:] for line in blocks("sh")[0].splitlines()]
    (knee, grid) = lines
    knee[knee.index("rate=2:40")] = "rate=2,40"  # without the knee, which takes minutes
    knee[knee.index("-j") + 1] = "1"
    for arguments, num_points in ((knee, 2), (grid, 6)):
        outcome = CliRunner().invoke(command_line, [*arguments, "--requests", "10"], catch_exceptions=False)
        assert len(outcome.output.splitlines()) == num_points + 3  # heads, a rule, and what they rest on
    assert (tmp_path / "sweep.html").exists()


def test_routers_and_flags_are_those_there_are() -> None:
    assert all(f"`{router}`" in PAGE for router in POLICIES["route"])
    known = CliRunner().invoke(command_line, ["simulate", "--help"]).output
    assert [flag for flag in re.findall(r"`(--[a-z-]+)`", PAGE) if flag not in known] == []
