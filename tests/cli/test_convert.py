"""`weft convert`: a file of another format becomes a directory, or one line says why not."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from tests.weights.llama2c_files import random_model
from weft.cli.convert import command
from weft.cli.main import main

SHARED_MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "models"
STORIES = SHARED_MODELS / "tok512_family" / "stories260K.bin"
TOKENIZER = SHARED_MODELS / "tok512_family" / "tok512.model"

needs_shared = pytest.mark.skipif(
    not STORIES.exists(), reason=f"{STORIES} is not here: the shared data lies beside some checkouts only"
)


def convert(*arguments: object, expect: int = 0) -> str:
    """Standard output of `weft convert … --format llama2.c`."""
    outcome = CliRunner().invoke(command, [*map(str, arguments), "--format", "llama2.c"])
    assert outcome.exit_code == expect, outcome.output
    return outcome.output


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ending:
        main(["convert", *map(str, arguments), "--format", "llama2.c"])
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_a_small_model(tmp_path: Path) -> None:
    source = random_model(is_tied=False).write(tmp_path)
    output = convert(source, tmp_path / "out")
    assert output == f"{tmp_path / 'out'}: 21 tensors in float32, config.json\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["config.json", "model.safetensors"]


def test_help_says_what_comes_out() -> None:
    output = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "TARGET gets config.json, model.safetensors" in output
    assert "Numbers stay as they are stored: fp32" in output


def test_a_target_with_something_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = random_model(is_tied=True).write(tmp_path)
    assert "exists and is not an empty directory" in refusal(capsys, source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.bin"]


def test_a_tokenizer_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = random_model(is_tied=True).write(tmp_path)
    for content in (b"", b"\x00\x01garbage", bytes(range(256))):
        (tmp_path / "tokenizer.bin").write_bytes(content)
        line = refusal(capsys, source, tmp_path / "out", "--tokenizer", tmp_path / "tokenizer.bin")
        assert "is not a SentencePiece model" in line
    assert not (tmp_path / "out").exists()


def test_wrong_source_and_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "short").write_bytes(b"abc")
    assert "has 3 bytes, less than a llama2.c header" in refusal(capsys, tmp_path / "short", tmp_path / "out")
    assert "does not exist" in convert(tmp_path / "absent", tmp_path / "out", expect=2)
    outcome = CliRunner().invoke(command, [str(tmp_path / "short"), str(tmp_path / "out")])
    assert outcome.exit_code == 2
    assert "Missing option '--format'" in outcome.output


def test_an_adapter_takes_no_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, tmp_path, tmp_path / "out", "--adapter", tmp_path)
    assert "leave --format and --tokenizer out" in line


@needs_shared
def test_a_trained_model(tmp_path: Path) -> None:
    """The same weights as another converter wrote, but for the copy of the tied embedding that it adds."""
    convert(STORIES, tmp_path / "out", "--tokenizer", TOKENIZER)
    assert (tmp_path / "out" / "tokenizer.model").read_bytes() == TOKENIZER.read_bytes()
    found = load_file(tmp_path / "out" / "model.safetensors")
    expected = load_file(SHARED_MODELS / "stories260K_hf" / "model.safetensors")
    assert torch.equal(expected.pop("lm_head.weight"), expected["model.embed_tokens.weight"])
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@needs_shared
def test_the_config_of_a_trained_model(tmp_path: Path) -> None:
    convert(STORIES, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "config.json").read_text())
    expected = json.loads((SHARED_MODELS / "stories260K_hf" / "config.json").read_text())
    assert found.items() >= expected.items()


@needs_shared
def test_a_tokenizer_of_another_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = random_model(is_tied=True).write(tmp_path)
    line = refusal(capsys, source, tmp_path / "out", "--tokenizer", TOKENIZER)
    assert "has 512 pieces, but the model's vocabulary is 11" in line


@needs_shared
def test_files_of_kindred_formats_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bitnet = SHARED_MODELS / "tok512_family" / "bitnet1M.bin"
    assert "begins with 'ak42', version 1" in refusal(capsys, bitnet, tmp_path / "out")
    gguf = next((SHARED_MODELS / "gguf_fixture").glob("*.gguf"))
    assert "heads=0 in the header" in refusal(capsys, gguf, tmp_path / "out")
