"""docs/config.md: its example is right, means the same live and simulated, and its keys are those there are."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft.cli.config_keys import Configuration, configured_commands, keys_of
from weft.cli.main import command_line

PAGE = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for each, text in found if each == language]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("service.yaml")
    path.write_text(blocks("yaml")[0])
    return path


def test_the_example_is_fine(example: Path) -> None:
    outcome = CliRunner().invoke(command_line, ["config", "check", str(example)])
    assert outcome.output == "service.yaml: fine\n"
    assert Configuration.read(example).meant() == ["serve", "simulate"]


def test_the_commands_of_the_page_run(example: Path) -> None:
    assert example.exists()
    check, serve, *simulations = (line.split()[1:] for line in blocks("sh")[0].splitlines())
    outcomes = [
        CliRunner().invoke(command_line, arguments, catch_exceptions=False)
        for arguments in (
            check,
            [*serve, "--dry-run"],
            *([*each, "--requests", "20"] for each in simulations),
        )
    ]
    assert "64 sequences at once" in outcomes[1].output
    assert "1,024 tokens per step" in outcomes[1].output
    assert "2 x 1 H100 SXM" in outcomes[2].output
    assert re.search(r"Successful requests: +(19|20)\n", outcomes[2].output)
    assert len(outcomes[3].output.splitlines()) == 3 + 3


def test_the_keys_on_the_page_are_those_there_are() -> None:
    keys = {name: set(keys_of(command)) for name, command in configured_commands().items()}
    serve, simulate = keys["serve"], keys["simulate"]
    lists = {head: re.findall(r"`(\w+)`", text) for head, text in re.findall(r"\*\*(.+):\*\*([^.]*)\.", PAGE)}
    assert sorted(lists["Both commands"]) == sorted(serve & simulate)
    assert sorted(lists["`weft serve` alone"]) == sorted(serve - simulate)
    assert sorted(lists["`weft simulate` alone"]) == sorted(simulate - serve)


def test_the_mistakes_on_the_page_are_told_so(example: Path) -> None:
    lines = blocks("yaml")[0].splitlines()
    lines[2] = "router: least_oustanding"
    lines.insert(11, "  hardware: h100")
    example.write_text("\n".join(lines))
    outcome = CliRunner().invoke(command_line, ["config", "check", str(example)], standalone_mode=False)
    told = outcome.output.splitlines()
    shown = [line.removesuffix("…") for line in blocks("")[0].splitlines()]
    assert outcome.return_value == 2
    assert len(told) == len(shown)
    assert all(each.startswith(start) for each, start in zip(told, shown, strict=True))
