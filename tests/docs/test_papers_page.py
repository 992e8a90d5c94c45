"""docs/papers.md: its commands and its example run."""

import re
from pathlib import Path

from click.testing import CliRunner

from weft.cli.main import command_line
from weft.papers.card import Card
from weft.papers.catalogue import IDS
from weft.papers.judging import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "papers.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_is_a_card() -> None:
    (example,) = blocks("python")
    names: dict[str, object] = {"__name__": "example"}
    exec(example, names)
    card = names["CARD"]
    assert isinstance(card, Card)
    observation = card.measuring(None)(card.grid[0], 3)
    assert card.claims[0].quantity in observation.pairs


def test_commands_and_flags_are_those_there_are() -> None:
    (commands,) = blocks("")
    known = CliRunner().invoke(command_line, ["papers", "--help"]).output
    for line in commands.splitlines():
        assert line.split()[2] in known
    options = "".join(
        CliRunner().invoke(command_line, ["papers", verb, "--help"]).output for verb in ("run", "report")
    )
    assert all(flag in options for flag in re.findall(r" (--?[a-z]+)", commands))


def test_every_card_and_verdict_is_on_it() -> None:
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", PAGE, re.MULTILINE) == list(IDS)
    assert all(f"*{verdict.value}*" in PAGE for verdict in Verdict)
