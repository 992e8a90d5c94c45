"""`weft bench latency` and `weft bench throughput` from end to end, on a tiny model."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.measurement.tiny_model import save_tiny
from weft.cli.main import command_line, main

LATENCY = (
    *("latency", "--batch", "1", "--batch", "3", "--prompt-tokens", "9", "--output-tokens", "6"),
    *("--prefill-tokens", "20", "--repeats", "2", "--threads", "1"),
)
THROUGHPUT = (
    *("throughput", "--num-prompts", "10", "--prompt-tokens", "12", "--output-tokens", "6"),
    *("--max-num-seqs", "4", "--threads", "1"),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("models") / "tiny"))


def bench(*arguments: str) -> str:
    outcome = CliRunner().invoke(command_line, ["bench", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def bench_json(*arguments: str) -> Any:
    return json.loads(bench(*arguments, "--json"))


def is_spread(figure: Any) -> bool:
    return bool(0.0 < figure["low"] <= figure["median"] <= figure["high"])


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_latency(model: str, backend: str) -> None:
    report = bench_json(*LATENCY, model, "--backend", backend)
    assert report["benchmark"] == "latency"
    assert report["serving"]["backend"] == backend
    assert report["serving"]["dtype"] == "float32"
    assert report["serving"]["threads"] == 1
    assert report["serving"]["options"]["max_num_seqs"] == 3
    assert report["serving"]["options"]["max_model_len"] == 21
    assert report["machine"]["cores_usable"] >= 1
    alone, *rows = report["results"]
    assert (alone["batch"], alone["prompt_tokens"], alone["output_tokens"]) == (1, 20, 1)
    assert alone["figures"]["weft"]["decode_tokens_per_s"] is None
    assert [(row["batch"], row["prompt_tokens"]) for row in rows] == [(1, 9), (3, 9)]
    for row in rows:
        figures = row["figures"]["weft"]
        assert figures["num_output_tokens"] == 2 * 6 * row["batch"]
        assert figures["prefix_hit_tokens"] == 0
        assert is_spread(figures["ttft_ms"])
        assert is_spread(figures["tpot_ms"])
        assert is_spread(figures["itl_p99_ms"])
        assert is_spread(figures["prefill_tokens_per_s"])
        assert is_spread(figures["decode_tokens_per_s"])
        assert row["ratios"] == {}


def test_throughput(model: str) -> None:
    report = bench_json(*THROUGHPUT, model)
    assert report["benchmark"] == "throughput"
    results, figures = report["results"], report["results"]["figures"]["weft"]
    assert results["num_prompts"] == 10
    assert figures["num_prompt_tokens"] == pytest.approx(10 * results["mean_prompt_tokens"])
    assert figures["num_output_tokens"] == pytest.approx(10 * results["mean_output_tokens"])
    wall_s = figures["wall_s"]["median"]
    assert figures["requests_per_s"]["median"] == pytest.approx(10 / wall_s)
    assert figures["output_tokens_per_s"]["median"] == pytest.approx(figures["num_output_tokens"] / wall_s)
    total = figures["num_prompt_tokens"] + figures["num_output_tokens"]
    assert figures["total_tokens_per_s"]["median"] == pytest.approx(total / wall_s)
    assert 1.0 <= figures["mean_running"]["median"] <= 4.0
    assert figures["num_preemptions"] == figures["prefix_hit_tokens"] == 0


def test_the_seed_draws_the_load(model: str) -> None:
    counts = [
        bench_json(*THROUGHPUT, model, "--seed", seed)["results"]["figures"]["weft"]["num_prompt_tokens"]
        for seed in ("1", "1", "2")
    ]
    assert counts[0] == counts[1] != counts[2]


@pytest.mark.nightly
def test_beside_transformers(model: str) -> None:
    report = bench_json(*LATENCY, model, "--against", "transformers")
    for row in report["results"]:
        assert list(row["figures"]) == ["weft", "transformers"]
        counts = [figures["num_output_tokens"] for figures in row["figures"].values()]
        assert counts == [2 * row["batch"] * row["output_tokens"]] * 2
        assert is_spread(row["ratios"]["prefill"])
    report = bench_json(*THROUGHPUT, model, "--against", "transformers")
    figures = report["results"]["figures"]
    assert figures["weft"]["num_output_tokens"] == figures["transformers"]["num_output_tokens"]
    assert figures["transformers"]["mean_running"] is None
    assert is_spread(report["results"]["ratios"]["output"])


@pytest.mark.nightly
def test_tables(model: str) -> None:
    table = bench(*LATENCY, model, "--against", "transformers")
    assert "cpu on cpu, float32, threads 1; weft " in table
    lines = [line.split() for line in table.splitlines()]
    assert [line[:4] for line in lines if line[:1] == ["3"]] == [
        ["3", "9", "6", name] for name in ("weft", "transformers", "ratio")
    ]
    table = bench(*THROUGHPUT, model)
    assert "10 requests at once: prompts of " in table
    assert [line.split() for line in table.splitlines()][-2:] == [
        ["preemptions", "0"],
        ["prefix", "hit", "tokens", "0"],
    ]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ((*LATENCY, "--max-num-seqs", "2"), "max_num_seqs is 2, and 3 requests are to run at once"),
        ((*LATENCY, "--prefill-tokens", "128"), "the longest request has 129 tokens"),
        (
            (*LATENCY, "--backend", "abacus"),
            "backend is 'abacus'; choose one of 'auto', 'torch', 'reference', 'cpu'",
        ),
        ((*THROUGHPUT, "--spread", "1.5"), "spread is 1.5; it must be at least 0 and below 1"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], advice: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["bench", *arguments, model])
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert advice in line
    assert line.count("\n") == 1


def test_a_model_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "latency", str(tmp_path)])
    assert "config.json cannot be read" in capsys.readouterr().err
