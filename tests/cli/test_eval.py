"""`weft eval` from end to end, on a tiny model."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.architecture.test_imports import loaded_modules
from tests.llm.tiny_model import make_model
from tests.text.tiny import LINES
from weft.cli.main import command_line, main

QUICK = ("--tasks", "add,lookup", "--examples", "3", "--lookup-tokens", "150,190", "--threads", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("models") / "tiny", max_position_embeddings=2048))


@pytest.fixture
def text(tmp_path: Path) -> str:
    (tmp_path / "text.txt").write_text("\n".join(LINES), encoding="utf-8")
    return str(tmp_path / "text.txt")


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(command_line, ["eval", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_everything_in_a_table_and_in_a_file(model: str, text: str, tmp_path: Path) -> None:
    reports: list[Any] = []
    for name in ("one.json", "again.json"):
        table = run(model, "--draft", model, "--text", text, "--json", str(tmp_path / name), *QUICK)
        reports.append(json.loads((tmp_path / name).read_text(encoding="utf-8")))
    report, again = reports
    for part in ("tasks", "text", "agreement", "settings", "form"):
        assert report[part] == again[part]
    assert report["model"] == model
    assert report["machine"]["version"]
    assert report["settings"]["tasks"] == ["add", "lookup"]
    assert report["settings"]["serving"]["num_threads"] == 1
    assert [row["task"] for row in report["tasks"]] == ["add", "add", "lookup", "lookup"]
    assert [row["wanted_tokens"] for row in report["tasks"]] == [None, None, 150, 190]
    for row in report["tasks"]:
        assert row["accuracy"]["n"] + row["num_skipped"] == 3
        assert row["accuracy"]["low"] <= row["accuracy"]["value"] <= row["accuracy"]["high"]
    assert report["text"]["bits_per_byte"]["low"] < report["text"]["bits_per_byte"]["high"]
    assert [row["agreement"]["value"] for row in report["agreement"]] == [1.0, 1.0]
    lines = [line.split() for line in table.splitlines()]
    assert lines[1] == ["questions", "are", "put", "as", "chat", "template"]
    assert [line[0] for line in lines if line[:1] in (["add"], ["lookup"])] == [
        "add",
        "add",
        "lookup",
        "lookup",
    ]
    assert "bits per byte (" in table
    assert [line[:4] for line in lines if line[:1] == ["exercises"]] == [
        ["exercises", "12", "0", line_n(report)]
    ]


def line_n(report: Any) -> str:
    """How many positions of exercises were compared, as the table has it."""
    return f"{report['agreement'][0]['agreement']['n']:,}"


def test_the_text_alone_needs_no_questions(model: str, text: str) -> None:
    table = run(model, "--tasks", "none", "--text", text, "--threads", "1")
    assert "questions are put" not in table
    assert "text.txt: " in table


def test_the_plain_form_is_said(tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny", max_position_embeddings=2048)
    config = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    (model / "tokenizer_config.json").write_text(
        json.dumps(config | {"chat_template": None}), encoding="utf-8"
    )
    assert "questions are put as plain text: Question: …, Answer: …" in run(str(model), *QUICK)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("--tasks", "ad"), "'ad' is no task; did you mean 'add'? known are lookup, "),
        (("--tasks", "none"), "there is nothing to measure; name tasks, a text, or a draft"),
        (("--lookup-tokens", "12,many"), "'12,many' are no lengths; give whole numbers: 256,512"),
        (("--lookup-tokens", "0"), "'0' are no lengths"),
        (("--json", "no/such/place/out.json"), "there is no directory no/such/place; make it"),
        (("--draft", "no/such/draft"), "no/such/draft"),
        (("--text", "no-such-text"), "no-such-text"),
        (("--examples", "0"), "--examples"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], advice: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["eval", model, *arguments])
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert advice in line
    assert line.count("\n") == 1


def test_help_needs_no_torch() -> None:
    modules = loaded_modules("from weft.cli.main import main; main(['eval', '--help'])")
    assert "weft.cli.eval" in modules
    assert "torch" not in modules


def test_a_text_is_read_as_it_is_served(text: str, tmp_path: Path) -> None:
    found = {}
    for name, options in {
        "torch": ("--dtype", "float32"),
        "none": ("--backend", "cpu", "--dtype", "float32"),
        "int8": ("--backend", "cpu", "--dtype", "float32", "--quantization", "int8"),
        "int4": ("--backend", "cpu", "--dtype", "float32", "--quantization", "int4-128"),
    }.items():
        path = tmp_path / f"{name}.json"
        always = ("--tasks", "none", "--text", text, "--threads", "1", "--max-model-len", "256")
        run("weft-nano", *always, "--json", str(path), *options)
        found[name] = json.loads(path.read_text(encoding="utf-8"))["text"]
    assert [each["window_tokens"] for each in found.values()] == [256] * 4
    perplexity = {name: each["perplexity"]["value"] for name, each in found.items()}
    assert perplexity["none"] == pytest.approx(perplexity["torch"], rel=1e-5)
    assert perplexity["int8"] == pytest.approx(perplexity["torch"], rel=0.02)
    assert 1e-4 < abs(perplexity["int4"] / perplexity["torch"] - 1) < 0.5
