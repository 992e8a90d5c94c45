"""`weft train`: a recipe becomes a model, or one line says why not."""

import signal
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from tests.training.interrupting import stop_at
from tests.training.small_adapter import write_base
from weft.cli.convert import command as convert_command
from weft.cli.main import main
from weft.cli.train import command
from weft.training.curve import read_curve
from weft.training.recipes import RECIPES
from weft.training.run_checkpoints import newest_checkpoint

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """The small recipe, as in a file of a user's own."""
    file = tmp_path / "mine.py"
    text = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.training.small_recipe import small\n"
    file.write_text(text)
    return f"{file}:small"


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ending:
        main(["train", *map(str, arguments)])
    assert ending.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("weft: error: ")
    return line


def test_a_recipe_becomes_a_model(recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "model"
    arguments = [
        recipe,
        "--out",
        str(out),
        "--steps",
        "3",
        "--threads",
        "1",
        "--dtype",
        "bfloat16",
        "--seed",
        "5",
    ]
    outcome = CliRunner().invoke(command, [*arguments, "--keep-checkpoints"])
    assert outcome.exit_code == 0, outcome.output
    lines = outcome.output.splitlines()
    assert lines[-1] == f"{out}: try `weft chat {out}`"
    assert [row["step"] for row in read_curve(out / "training" / "curve.csv")] == ["1", "2", "3"]
    assert newest_checkpoint(out / "training" / "checkpoints") is not None
    assert (out / "model.safetensors").exists()


def test_recipes_are_listed() -> None:
    outcome = CliRunner().invoke(command, ["--list"])
    assert outcome.exit_code == 0
    names = [line.partition(": ")[0] for line in outcome.output.splitlines()]
    assert names == list(RECIPES)


def test_a_recipe_of_an_adapter_needs_a_base_and_a_model_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_base(tmp_path / "base")
    out = ("--out", tmp_path / "adapter")
    assert "name the directory of the model that it is for with --base" in refusal(
        capsys, "adapter-json", *out
    )
    assert "leave --base out" in refusal(capsys, "smoke", *out, "--base", base)
    assert "a context of 512; name a longer base" in refusal(capsys, "adapter-json", *out, "--base", base)


def test_an_adapter_is_made_and_merged(tmp_path: Path) -> None:
    base, out, file = write_base(tmp_path / "base"), tmp_path / "adapter", tmp_path / "mine.py"
    file.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.training.small_adapter import small_adapter\n"
        "def mine():\n    return small_adapter(None)\n"
    )
    arguments = [f"{file}:mine", "--base", str(base), "--out", str(out), "--threads", "1"]
    outcome = CliRunner().invoke(command, arguments)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.splitlines()[-1] == f"{out}: try `weft convert {base} NEW --adapter {out}`"
    merging = [str(base), str(tmp_path / "new"), "--adapter", str(out)]
    outcome = CliRunner().invoke(convert_command, merging)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output == f"{tmp_path / 'new'}: {base} with 6 matrices adapted\n"
    weights, others = (load_file(root / "model.safetensors") for root in (base, tmp_path / "new"))
    changed = [name for name, tensor in weights.items() if not torch.equal(tensor, others[name])]
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj", "down_proj"}
    assert (tmp_path / "new" / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()


def test_mistakes(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--out", tmp_path / "model")
    assert "did you mean 'smoke'?" in refusal(capsys, "smok", *out)
    assert "give it without --steps and --resume" in refusal(
        capsys, recipe, *out, "--minutes", 1, "--steps", 2
    )
    assert "leave --resume out" in refusal(capsys, recipe, *out, "--resume")
    assert "did you mean 'float32'?" in refusal(capsys, recipe, *out, "--dtype", "float23")
    assert "exists and is not an empty directory" in refusal(capsys, recipe, "--out", tmp_path)


def test_a_terminated_run_says_how_to_go_on_and_does(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    arguments = ["train", recipe, "--out", str(out), "--threads", "1"]
    with monkeypatch.context() as patch:
        stop_at(patch, 2, signal.SIGTERM)
        with pytest.raises(SystemExit) as ending:
            main([*arguments, "--steps", "6", "--seed", "9", "--dtype", "bfloat16"])
    assert ending.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err.endswith("stopped after step 3; the same command with --resume goes on\n")
    with pytest.raises(SystemExit) as ending:
        main([*arguments, "--resume"])
    assert ending.value.code == 0
    assert "6 steps of about 512 tokens, 3 of them done" in capsys.readouterr().out
    assert (out / "model.safetensors").exists()
