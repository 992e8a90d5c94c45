"""`weft bench kernels` in a small form."""

import json

import pytest
from click.testing import CliRunner

from weft.cli.bench_kernels import peak_of
from weft.cli.main import command_line
from weft.measurement import kernel_bench, kernel_contention
from weft.measurement.bench_model import RANDOM_MODEL

SMALL = {
    "num_hidden_layers": 1,
    "hidden_size": 64,
    "intermediate_size": 96,
    "vocab_size": 100,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
LAYERS = ["qkv", "output", "gate and up", "down", "head", "all"]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_bench, "RANDOM_MODEL", {**RANDOM_MODEL, **SMALL})
    monkeypatch.setattr(kernel_contention, "RANDOM_MODEL", {**RANDOM_MODEL, **SMALL})
    monkeypatch.setattr(kernel_bench, "PROBED_BYTES", 1 << 24)
    monkeypatch.setattr(kernel_bench, "PEAK_SECONDS", 0.001)


def bench(*arguments: str) -> str:
    outcome = CliRunner().invoke(
        command_line, ["bench", "kernels", "--threads", "1", "--passes", "2", *arguments]
    )
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_figures_of_each_layer_and_of_all() -> None:
    report = json.loads(bench("--rows", "1", "--rows", "512", "--quantization", "int4", "--json"))
    assert len(report["runs"]) == 2
    for run, rows, head_rows in zip(report["runs"], (1, 512), (1, 1), strict=True):
        assert [each["layer"] for each in run["figures"]] == LAYERS
        assert run["ceilings"]["bytes_per_s"] > 0
        assert run["ceilings"]["int8_per_s"] > 0
        *layers, together = run["figures"]
        assert together["seconds"] == pytest.approx(sum(each["seconds"] for each in layers), rel=0.9)
        assert together["tokens_per_s"] * together["seconds"] == pytest.approx(rows)
        head = layers[-1]
        assert head["operations_per_s"] * head["seconds"] == pytest.approx(2 * head_rows * 100 * 64)


def test_a_table_per_format_and_size() -> None:
    shown = bench("--rows", "3", "--level", "portable")
    for name in ("int4 on portable", "int8 on portable", "none on portable", *LAYERS):
        assert name in shown


def test_shares_are_of_the_peak_of_what_is_multiplied() -> None:
    ceilings = kernel_bench.Ceilings(1.0, 2.0, 3.0, 4.0)
    assert [peak_of(kind, ceilings) for kind in ("int4", "int8", "int4-a16", "none")] == [2.0, 2.0, 3.0, 3.0]
    assert peak_of("int8-a16", ceilings._replace(bfloat16_per_s=0.0)) == 4.0
    assert "int8-a16 on portable" in bench("--rows", "1", "--quantization", "int8-a16", "--level", "portable")


def test_speed_beside_a_busy_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_contention, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(kernel_contention, "SETTLING_SECONDS", 0.0)
    monkeypatch.setattr(kernel_contention, "ROUNDS", 1)
    arguments = ("--contention", "--rows", "2", "--quantization", "int8")
    (run,) = json.loads(bench(*arguments, "--json"))["runs"]
    assert (run["format"], run["rows"]) == ("int8", 2)
    assert min(run["quiet"], run["pinned"], run["free"]) > 0
    assert "busy on any" in bench(*arguments)


def test_an_unknown_level_is_a_mistake() -> None:
    outcome = CliRunner().invoke(command_line, ["bench", "kernels", "--level", "mmx"])
    assert "choose from" in str(outcome.exception)
