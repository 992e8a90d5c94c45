"""`weft quantize`: a directory that backend `cpu` serves, and nothing else does; `weft cache`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft.cli import cache
from weft.cli.doctor import check_model
from weft.cli.doctor_checks import Level
from weft.cli.generate import command as generate
from weft.cli.main import main
from weft.cli.quantize import command
from weft.contracts.errors import ConfigurationError
from weft.executor.quantizing import quantize_directory
from weft.model_specs.builtin import builtin_model

NANO = builtin_model("weft-nano")
ASK = ("Once upon a time", "--max-tokens", "6", "--temperature", "0", "--threads", "1")
INT8 = ("--backend", "cpu", "--quantization", "int8")


def quantize(target: Path, *more: str) -> str:
    outcome = CliRunner().invoke(
        command, ["weft-nano", "--quantization", "int8", "--out", str(target), *more]
    )
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def told(*arguments: object) -> str:
    outcome = CliRunner().invoke(generate, [*map(str, arguments)], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ending:
        main([*map(str, arguments)])
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("quantize") / "nano-int8"
    output = quantize(target)
    assert output.startswith(f"{target}: 7")
    assert "MB before, " in output
    return target


def test_the_directory_serves_what_the_model_would(packed: Path) -> None:
    assert told(packed, *ASK) == told("weft-nano", *ASK, *INT8)
    names = {path.name for path in packed.iterdir()}
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "weights.weft"} <= names
    assert not any(name.endswith(".safetensors") for name in names)
    assert json.loads((packed / "config.json").read_text())["dtype"] == "bfloat16"


def test_the_directory_serves_activations_as_they_are_too(packed: Path) -> None:
    floats = ("--quantization", "int8-a16")
    assert told(packed, *ASK, *floats) == told("weft-nano", *ASK, *floats)


def test_activations_are_no_matter_of_packing(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="write these, and serve the directory with quantization 'int8-a16'"
    ):
        quantize_directory(NANO, tmp_path / "out", "int8-a16")
    assert list(tmp_path.iterdir()) == []


def test_others_are_told_what_to_do(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holds = f"{packed} holds weights packed as int8 for backend 'cpu'"
    assert f"{holds}, and backend is 'torch'; choose backend 'cpu'" in refusal(
        capsys, "generate", packed, *ASK, "--backend", "torch"
    )
    assert f"{holds}, and backend is 'reference'" in refusal(
        capsys, "serve", packed, "--dry-run", "--backend", "reference"
    )
    other = ("--backend", "cpu", "--quantization", "int4")
    assert "quantization is 'int4'; leave it out" in refusal(capsys, "generate", packed, *ASK, *other)
    floats = ("--quantization", "int4-a16")
    assert "quantization is 'int4-a16'; leave it out" in refusal(capsys, "generate", packed, *ASK, *floats)
    wide = ("--backend", "cpu", "--dtype", "float32")
    assert "dtype is 'float32'; leave it out" in refusal(capsys, "generate", packed, *ASK, *wide)
    again = ("quantize", packed, "--quantization", "int8", "--out", packed.with_name("again"))
    assert "name the directory that they were made from" in refusal(capsys, *again)


def test_it_is_inspected_as_any_model_is(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["serve", str(packed), "--dry-run"])
    assert ending.value.code == 0
    assert "it fits" in capsys.readouterr().out
    assert all(finding.level is Level.OK for finding in check_model(str(packed)))


def test_nothing_is_overwritten_unasked(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("quantize", "weft-nano", "--quantization", "int8", "--out")
    assert "add --force to replace them" in refusal(capsys, *arguments, packed)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("…")
    assert "no directory of `weft quantize`" in refusal(capsys, *arguments, tmp_path / "letters", "--force")
    before = (packed / "weights.weft").stat().st_ino
    quantize(packed, "--force")
    assert (packed / "weights.weft").stat().st_ino != before
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]


def test_a_damaged_directory_is_told(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in packed.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    weights = bytearray((copy / "weights.weft").read_bytes())
    weights[9000] ^= 4
    (copy / "weights.weft").write_bytes(weights)
    assert "weights.weft is damaged: its checksums differ" in refusal(
        capsys, "generate", copy, *ASK, "--backend", "cpu"
    )


def test_the_cache_is_listed_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = str(tmp_path / "weft" / "packed")
    assert CliRunner().invoke(cache.list_command).output.startswith(f"0 files, 0.0 MiB in {place}")
    told("weft-nano", *ASK, *INT8)
    assert "weft-nano" in CliRunner().invoke(cache.list_command).output
    listed = json.loads(CliRunner().invoke(cache.list_command, ["--json"]).output)
    (entry,) = listed["entries"]
    assert (entry["model"], entry["quantization"], entry["dtype"]) == ("weft-nano", "int8", "bfloat16")
    assert CliRunner().invoke(cache.clear_command).output.startswith("removed 1 file, ")
    assert not Path(entry["path"]).exists()
    assert NANO.is_dir()
