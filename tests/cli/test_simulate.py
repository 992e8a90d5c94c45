"""`weft simulate` and `weft bench simulator` on the command line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from weft import __version__
from weft.cli.bench_simulator import command as bench_command
from weft.cli.main import main
from weft.cli.simulate import NOT_SIMULATED, command, progress_bar
from weft.contracts.options import ServingOptions

MODEL = ("--model", "meta-llama/Llama-3.1-8B")
DRAFTS = ("--speculative-model", "Qwen/Qwen3-0.6B", "--num-speculative-tokens", "4")


def test_it_tells_what_is_simulated_and_how_it_fares(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    trace = tmp_path / "trace.json"
    files = ["--json", str(path), "--trace", str(trace)]
    arguments = [*MODEL, "--rate", "12", "--requests", "60", "--replicas", "2", *files]
    outcome = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    assert "2 x 1 H100 SXM" in outcome.output
    assert "Successful requests:                     60" in outcome.output
    assert "Mean TTFT (ms):" in outcome.output
    assert json.loads(path.read_text())["completed"] == 60
    assert [event["pid"] for event in json.loads(trace.read_text()) if event["name"] == "process_name"] == [
        0,
        1,
    ]


def test_flags_of_a_server_reach_the_engine() -> None:
    arguments = [*MODEL, "--requests", "40", "--rate", "30", "--max-num-seqs", "1", "--order", "priority"]
    slow, fast = (
        CliRunner().invoke(command, chosen, catch_exceptions=False).output
        for chosen in (arguments, arguments[:6])
    )
    assert mean_ttft_ms(slow) > 3 * mean_ttft_ms(fast)


def test_number_formats_are_told_and_used() -> None:
    arguments = [
        *MODEL,
        "--requests",
        "20",
        "--rate",
        "5",
        "--quantization",
        "w4a16",
        "--kv-cache-dtype",
        "fp8",
    ]
    wide, narrow = (
        CliRunner().invoke(command, chosen, catch_exceptions=False).output
        for chosen in (arguments[:6], arguments)
    )
    assert "8.0 B parameters, bfloat16, linear layers in w4a16, cache in float8\n" in narrow
    assert mean_tpot_ms(narrow) < 0.6 * mean_tpot_ms(wide)


def test_drafts_and_samples_are_told_and_used(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    load = ["--model", "Qwen/Qwen3-8B", "--workload", "sharegpt", "--requests", "20", "--json", str(path)]
    drafted = CliRunner().invoke(
        command, [*load, *DRAFTS, "--acceptance-rate", "0.9"], catch_exceptions=False
    )
    assert "drafts     Qwen/Qwen3-0.6B, 4 tokens, each right with chance 0.9\n" in drafted.output
    written = json.loads(path.read_text())
    assert 3.5 < written["mean_acceptance_length"] < 4.5
    assert written["replicas"][0]["drafted_tokens"] > written["replicas"][0]["accepted_tokens"] > 0
    sampled = CliRunner().invoke(command, [*load, "--n", "4"], catch_exceptions=False)
    assert sampled.exit_code == 0
    assert json.loads(path.read_text())["total_output_tokens"] > 2 * written["total_output_tokens"]


def test_every_form_says_what_the_prediction_rests_on(tmp_path: Path) -> None:
    written, page = tmp_path / "result.json", tmp_path / "page.html"
    chosen = ["--hardware", "l4", "--max-model-len", "4000", "--profiles", "none", "--server", "sglang"]
    files = ["--requests", "5", "--json", str(written), "--html", str(page)]
    shown = CliRunner().invoke(command, [*MODEL, *chosen, *files], catch_exceptions=False).output
    told = f"Weft {__version__}, profile: roofline of L4, server: sglang: ± 92 % (80 % of what was measured)."
    assert shown.endswith(f"{told}\n")
    assert told in page.read_text()
    figures = json.loads(written.read_text())
    assert (figures["profile"], figures["server"]) == ("roofline of L4", "sglang")
    assert (figures["relative_error"], figures["version"]) == (0.92, __version__)


def test_beam_searches_are_told_and_used(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    load = [*MODEL, "--workload", "sharegpt", "--requests", "10", "--json", str(path)]
    written = []
    for width in ("1", "4"):
        outcome = CliRunner().invoke(command, [*load, "--beam-width", width], catch_exceptions=False)
        assert outcome.exit_code == 0
        written.append(json.loads(path.read_text()))
    one, four = written
    assert one["total_output_tokens"] == four["total_output_tokens"]
    assert four["mean_ttft_ms"] == four["mean_e2el_ms"] > one["mean_e2el_ms"]


def mean_tpot_ms(output: str) -> float:
    (line,) = (line for line in output.splitlines() if line.startswith("Mean TPOT"))
    return float(line.split()[-1])


def mean_ttft_ms(output: str) -> float:
    (line,) = (line for line in output.splitlines() if line.startswith("Mean TTFT"))
    return float(line.split()[-1])


def test_only_options_that_mean_something_are_taken() -> None:
    """Formats are others here, and simulated devices have them."""
    formats = ("quantization", "kv_cache_dtype")
    names = [parameter.name for parameter in command.params if parameter.name not in formats]
    fields = [field for field in ServingOptions.__dataclass_fields__ if field != "enable_prefix_caching"]
    assert [field for field in fields if field not in names] == list(NOT_SIMULATED)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "meta-llama/Llama-3.1-70B"], "does not fit on H100 SXM"),
        ([*MODEL, "--tp", "3"], "tp is 3; it must divide"),
        ([*MODEL, "--hardware", "h10"], "did you mean h100?"),
        ([*MODEL, "--rate", "nan"], "choose one from"),
        ([*MODEL, "--duration", "-1"], "the duration in seconds is -1.0"),
        ([*MODEL, "--quantization", "fp88"], "did you mean 'fp8'?"),
        ([*MODEL, "--kv-cache-dtype", "int4"], "did you mean 'int8'?"),
        (
            [*MODEL, "--hardware", "a100", "--quantization", "fp8"],
            "A100 SXM 80 GB: no source states its peak_flops of float8, only of float32",
        ),
        ([*MODEL, "--workload", "azure-cov"], "did you mean azure-conv?"),
        ([*MODEL, "--order", "fcf"], "did you mean 'fcfs'?"),
        ([*MODEL, "--json", "/no/such/place"], "there is no directory"),
        ([*MODEL, "--server", "vlm"], "did you mean 'vllm'?"),
        ([*MODEL, "--profiles", "/no/such/place"], "/no/such/place"),
        ([*MODEL, "--n", "129"], "n is 129; a request asks for 1 to 128 samples"),
        ([*MODEL, "--n", "2", "--beam-width", "4"], "beam_width is 4; it must be 1 where n is above 1"),
        ([*MODEL, "--beam-width", "129"], "beam_width is 129; it must be between 1 and 128"),
        ([*MODEL, *DRAFTS, "--acceptance-rate", "1.5"], "acceptance_rate is 1.5; it is a chance"),
        ([*MODEL, *DRAFTS], "acceptance_rate is missing; speculation takes"),
        ([*MODEL, *DRAFTS, "--num-speculative-tokens", "0"], "0 is not in the range x>=1"),
        ([*MODEL, "--acceptance-rate", "1"], "speculative_model and num_speculative_tokens are missing"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["simulate", *arguments])
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_an_empty_trace_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "empty.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    with pytest.raises(SystemExit):
        main(["simulate", *MODEL, "--workload", str(trace)])
    assert "it has no rows; give a trace" in capsys.readouterr().err


def test_progress_is_told_of_every_request() -> None:
    with progress_bar(10, None) as tell:
        for number in range(10):
            tell(number * 0.5, number + 1)


def test_the_bench_prints_its_figures() -> None:
    outcome = CliRunner().invoke(bench_command, ["--requests", "100"], catch_exceptions=False)
    assert outcome.exit_code == 0
    for figure in ("replicas busy", "process time", "output tokens/s", "faster than time"):
        assert figure in outcome.output
