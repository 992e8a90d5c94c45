"""`weft bench serve` from end to end: against our own server on a tiny model, and as a process that is interrupted."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli import running
from tests.llm.tiny_model import make_model
from tests.measurement.scripted_server import Script, scripted_server
from tests.server.live_server import NAME, LiveServer, eventually, live_server
from weft.cli.main import command_line, main
from weft.server.state import ServerSettings

REQUESTS = [(0.00, 20, 6), (0.01, 33, 9), (0.02, 5, 1), (0.03, 64, 4)]
KEY = "secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    model = make_model(tmp_path_factory.mktemp("served") / "tiny", max_position_embeddings=512)
    with live_server(model, ServerSettings((NAME,), api_keys=(KEY,))) as up:
        yield up


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rows = [f"{time_s},{prompt},{output}" for time_s, prompt, output in REQUESTS]
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(["arrival_s,prompt_tokens,output_tokens", *rows]) + "\n", encoding="utf-8")
    return path


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(command_line, ["bench", "serve", *map(str, arguments)])


def bench_json(path: Path, *arguments: object) -> Any:
    outcome = bench(*arguments, "--json", path)
    assert outcome.exit_code == 0, outcome.output
    assert "Serving Benchmark Result" in outcome.stdout
    return json.loads(path.read_text(encoding="utf-8"))


def test_our_own_server_gets_exact_prompts_and_outputs(
    server: LiveServer, trace: Path, tmp_path: Path
) -> None:
    told = bench_json(tmp_path / "out.json", "--url", server.url, "--workload", trace, "--api-key", KEY)
    results, intended = told["results"], told["target"]["intended"]
    assert (results["completed"], results["failed"]) == (4, 0)
    assert results["total_input_tokens"] == intended["prompt_tokens"] == 122
    assert results["total_output_tokens"] == intended["output_tokens"] == 20
    assert 0 < results["median_ttft_ms"] <= results["p99_ttft_ms"] <= results["p99_e2el_ms"]
    assert told["target"]["model"] == NAME
    assert [note for note in told["notes"] if not note.startswith("warning: ")] == []
    assert KEY not in json.dumps(told)
    assert server.live_requests() == []


def test_a_chat_is_measured_with_text(server: LiveServer, trace: Path, tmp_path: Path) -> None:
    told = bench_json(
        *(tmp_path / "out.json", "--url", f"{server.url}/v1", "--workload", trace, "--api-key", KEY),
        *("--endpoint", "chat", "--requests", 3, "--model", NAME, "--max-concurrency", 2),
    )
    assert told["results"]["completed"] == 3
    assert told["results"]["total_output_tokens"] == 16
    assert told["settings"]["endpoint"] == "chat"
    assert any("prompts are text" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--api-key", "wrong"], r"refuses the key \(HTTP 401\); give its key with --api-key"),
        (["--model", "tinny"], "serves no model 'tinny'; choose from: tiny"),
        (["--api-key", "clé"], "the API key has characters that HTTP cannot carry"),
        (["--workload", "azure_conv"], "did you mean azure-conv"),
        (["--workload", "azure-conv", "--requests", "50"], "max_model_len is 512; choose a shorter workload"),
        (["--url", "localhost"], "give one such as http://127.0.0.1:8000"),
        (["--url", "http://127.0.0.1:9"], "no server answers at http://127.0.0.1:9 "),
        (["--rate", "-1"], "the rate is -1.0 requests/s"),
        (["--duration", "nan"], "the duration in seconds is nan"),
        (["--requests", "0"], "0 is not in the range"),
    ],
)
def test_mistakes_are_one_line(
    server: LiveServer, trace: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    usual = ["--url", server.url, "--workload", str(trace), "--api-key", KEY]
    with pytest.raises(SystemExit) as ending:
        main(["bench", "serve", *usual, *arguments])
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(message, said), said


def test_results_that_cannot_be_written_are_told(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_server(Script()) as up, pytest.raises(SystemExit) as ending:
        main(["bench", "serve", "--url", up.url, "--workload", str(trace), "--json", "/no/such/place.json"])
    assert ending.value.code == 2
    told = capsys.readouterr()
    assert "Successful requests:                     4" in told.out
    assert (
        "/no/such/place.json cannot be written (No such file or directory); give another --json" in told.err
    )


def test_an_interrupt_prints_what_was_measured() -> None:
    with scripted_server(Script(pause_s=0.01)) as up:
        arguments = ("--url", up.url, "--workload", "arena", "--rate", "50", "--requests", "100000")
        process = running.start("bench", "serve", *arguments)
        eventually(lambda: len(up.bodies) > 20, within_s=30)
        process.send_signal(signal.SIGINT)
        code, out, err = running.end(process)
    assert code == 130, err
    assert "Successful requests:" in out
    assert "warning: interrupted; " in out
