"""`weft run-batch`: the answers of the server's routes, in a file; what fails, what is skipped, what goes on."""

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.running import LONG, end, start
from tests.llm.tiny_model import make_model
from tests.server.live_server import live_server
from weft.cli.main import command_line
from weft.server.state import ServerSettings

ONE_THREAD = ("--threads", "1")
CHAT = [{"role": "user", "content": "tea?"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": CHAT, "max_tokens": 6, "temperature": 0},
    "/v1/completions": {"prompt": ["the", "tea"], "max_tokens": 6, "seed": 3},
    "/v1/embeddings": {"input": "the quick"},
    "/v1/responses": {"input": "tea?", "max_output_tokens": 6, "temperature": 0},
    "/v1/messages": {"messages": CHAT, "max_tokens": 6, "temperature": 0},
}
CHANCE = ("id", "created", "created_at", "completed_at")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("batch") / "tiny")


def request(name: str, url: str, body: dict[str, Any]) -> str:
    return json.dumps({"custom_id": name, "method": "POST", "url": url, "body": {"model": "tiny", **body}})


def completions(names: Sequence[str], **fields: Any) -> str:
    body = {"prompt": "the", "max_tokens": 4, **fields}
    return "".join(request(name, "/v1/completions", body) + "\n" for name in names)


def run(model: Path, folder: Path, *flags: str) -> Result:
    files = ("-i", str(folder / "in.jsonl"), "-o", str(folder / "out.jsonl"))
    return CliRunner().invoke(
        command_line, ["run-batch", str(model), *files, *flags, *ONE_THREAD], standalone_mode=False
    )


def answers(folder: Path) -> dict[str, dict[str, Any]]:
    told = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    named = {line["custom_id"]: line for line in told}
    assert len(named) == len({line["id"] for line in told}) == len(told)
    return named


def without_chance(body: Any) -> Any:
    if isinstance(body, dict):
        return {name: without_chance(value) for name, value in body.items() if name not in CHANCE}
    return [without_chance(each) for each in body] if isinstance(body, list) else body


def test_answers_are_those_of_the_server(model: Path, tmp_path: Path) -> None:
    asked = "\n".join(request(url, url, body) for url, body in BODIES.items())
    (tmp_path / "in.jsonl").write_text(asked)
    outcome = run(model, tmp_path)
    assert outcome.return_value == 0
    assert "5 answered, 0 failed, 0 skipped" in outcome.stderr
    found = answers(tmp_path)
    with live_server(model, ServerSettings(("tiny",))) as server:
        for url, body in BODIES.items():
            response = found[url]["response"]
            assert (response["status_code"], found[url]["error"]) == (200, None)
            assert response["request_id"].startswith("req_")
            known = server.ask(url, {"model": "tiny", **body}).json
            assert without_chance(response["body"]) == without_chance(known)


def test_bad_lines_are_named_and_stop_nobody(model: Path, tmp_path: Path) -> None:
    wrong = request("wrong", "/v1/nothing", {})
    refused = request("refused", "/v1/completions", {"prompt": "the", "top_p": 7})
    asked = completions(["a"]) + f"{wrong}\nnonsense\n{refused}\n" + completions(["a", "b"])
    (tmp_path / "in.jsonl").write_text(asked)
    outcome = run(model, tmp_path)
    assert outcome.return_value == 1
    assert "2 answered, 4 failed, 0 skipped" in outcome.stderr
    path = tmp_path / "in.jsonl"
    for told in (
        f"{path} line 2: url is '/v1/nothing'",
        f"{path} line 3: the line is not valid JSON",
        f"{path} line 4: 400: top_p is 7",
        f"{path} line 5: custom_id 'a' was there before",
    ):
        assert told in outcome.stderr
    found = answers(tmp_path)
    assert set(found) == {"a", "b", "wrong", "refused"}
    assert found["wrong"]["response"] is None
    assert found["wrong"]["error"]["message"].startswith("line 2: url is")
    assert found["refused"]["response"]["status_code"] == 400
    assert found["refused"]["response"]["body"]["error"]["param"] == "top_p"


def test_a_run_goes_on_where_the_output_ends(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(completions("abcd"))
    assert run(model, tmp_path).return_value == 0
    path = tmp_path / "out.jsonl"
    first, second, third, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second + third[:-5])
    outcome = run(model, tmp_path, "--resume")
    assert outcome.return_value == 0
    assert "2 answered, 0 failed, 2 skipped" in outcome.stderr
    assert path.read_bytes().startswith(first + second)
    assert set(answers(tmp_path)) == set("abcd")
    assert "exists; go on with it by --resume" in str(run(model, tmp_path).exception)


def test_the_input_is_never_the_output(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(completions("a"))
    outcome = CliRunner().invoke(
        command_line, ["run-batch", str(model), "-i", str(path), "-o", str(path), "--resume"]
    )
    assert "is the input too; name another --output" in str(outcome.exception)
    assert path.read_text() == completions("a")


def test_an_interrupted_run_writes_no_half_answers(tmp_path: Path) -> None:
    model = make_model(tmp_path / "tiny", **LONG)
    source, path = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(completions("a") + completions("bcd", max_tokens=60_000, ignore_eos=True))
    process = start("run-batch", model, "-i", source, "-o", path, "--threads", "1")
    while process.poll() is None and not (path.exists() and path.read_bytes().endswith(b"\n")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, _, told = end(process)
    assert (code, told.strip()) == (130, "")
    assert set(answers(tmp_path)) == {"a"}
