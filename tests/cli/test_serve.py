"""`weft serve` as a process: announcements, drains, mistakes."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.llm.tiny_model import make_model
from tests.server.live_server import LiveServer, eventually
from weft.cli.serve import _url, command, default_name
from weft.contracts.errors import ConfigurationError
from weft.model_specs.builtin import builtin_model
from weft.server.state import ServerSettings, ServerState

FAST = ("--backend", "reference", "--threads", "1", "--max-num-seqs", "8")
BODY: dict[str, Any] = {"model": "tiny", "prompt": "tea", "max_tokens": 300, "ignore_eos": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("served") / "tiny", max_position_embeddings=2048)


class Process:
    """A running `weft serve`."""

    def __init__(self, popen: "subprocess.Popen[str]") -> None:
        self.popen, self.lines = popen, list[str]()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def server(self) -> LiveServer:
        """Once it says where it is."""
        eventually(lambda: "python -c" in self.output or self.popen.poll() is not None, within_s=40)
        found = re.search(r"ready after [\d.]+ s: (http://127\.0\.0\.1:(\d+))\n", self.output)
        assert found is not None, self.output
        return LiveServer(found[1], int(found[2]), ServerState(ServerSettings(("tiny",))))

    def ended(self) -> int:
        code = self.popen.wait(30)
        self._reader.join()
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code


@contextmanager
def serving(*arguments: str) -> Iterator[Process]:
    command_line = [sys.executable, "-m", "weft.cli.main", "serve", "--port", "0", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment.pop("WEFT_API_KEY", None)
    with subprocess.Popen(
        command_line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as popen:
        process = Process(popen)
        try:
            yield process
        finally:
            popen.kill()
            process.ended()


def test_it_announces_serves_and_drains(model: Path) -> None:
    with serving(str(model), *FAST, "--log-level", "debug") as process:
        up = process.server()
        assert "DEBUG import of torch and the engine: " in process.output
        assert "bounds     8 sequences at once, of at most 2,048 tokens" in process.output
        assert f"curl {up.url}/v1/chat/completions -H 'Content-Type: application/json' -d '" in process.output
        assert up.ask("/v1/models").json["data"][0]["id"] == "tiny"
        planned = CliRunner().invoke(command, [str(model), "--dry-run", *FAST]).output
        (cache,) = re.findall(r"(?m)^cache .*\n", planned)
        assert cache in process.output
        replies: list[Any] = []
        thread = threading.Thread(target=lambda: replies.append(up.ask("/v1/completions", BODY)))
        thread.start()
        eventually(lambda: 'num_requests_running{model_name="tiny"} 1' in up.ask("/metrics").body.decode())
        process.popen.send_signal(signal.SIGTERM)
        eventually(lambda: up.ask("/ready").status == 503)
        assert up.ask("/v1/completions", BODY).error["code"] == "draining"
        thread.join()
        assert replies[0].json["usage"]["completion_tokens"] == 300
        assert process.ended() == 0
        assert "draining: 1 in progress" in process.output
        assert "Traceback" not in process.output


def test_a_second_signal_stops_at_once(model: Path) -> None:
    with serving(str(model), *FAST, "--api-key", "sesame", "--host", "localhost") as process:
        eventually(lambda: "python -c" in process.output, within_s=40)
        assert "Authorization: Bearer KEY" in process.output
        assert "sesame" not in process.output
        url, port = re.findall(r"(http://localhost:(\d+))\n", process.output)[0]
        up = LiveServer(url, int(port), ServerState(ServerSettings(("tiny",))))
        thread = threading.Thread(target=_ask_in_vain, args=(up,))
        thread.start()
        headers = {"authorization": "Bearer sesame"}
        eventually(
            lambda: 'running{model_name="tiny"} 1' in up.ask("/metrics", headers=headers).body.decode()
        )
        process.popen.send_signal(signal.SIGINT)
        eventually(lambda: "draining" in process.output)
        begun_s = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)
        assert process.ended() == 128 + signal.SIGTERM
        assert time.monotonic() - begun_s < 2
        thread.join()


def _ask_in_vain(server: LiveServer) -> None:
    with suppress(ConnectionError, http.client.HTTPException, urllib.error.URLError):
        server.ask(
            "/v1/completions", {**BODY, "max_tokens": 2000}, headers={"authorization": "Bearer sesame"}
        )


def test_a_signal_while_loading_ends_it(model: Path) -> None:
    with serving(str(model), *FAST, "--log-level", "debug") as process:
        eventually(lambda: "import of the HTTP part" in process.output, within_s=40)
        time.sleep(0.1)  # torch takes longer than that
        process.popen.send_signal(signal.SIGTERM)
        assert process.ended() == 0
        assert "Traceback" not in process.output


def outcome(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command_line = [sys.executable, "-m", "weft.cli.main", "serve", *arguments]
    return subprocess.run(command_line, capture_output=True, text=True, timeout=50, check=False)


def test_mistakes_end_with_one_line_and_code_2(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, message in (
            (
                (str(model), "--port", port),
                f"cannot listen on 127.0.0.1 port {port} (Address already in use)",
            ),
            ((str(model), "--host", "0.0.0.0"), "there is no API key; add --api-key KEY"),
            ((str(tmp_path / "empty"), "--port", "0"), "config.json"),
            (("/no/such/model",), "there is no model '/no/such/model'"),
            ((str(model), "--prot", "1"), "--port"),
        ):
            ended = outcome(*arguments)
            assert ended.returncode == 2
            assert message in ended.stderr
            assert "Traceback" not in ended.stderr


def test_a_dry_run_says_whether_it_fits(model: Path) -> None:
    told = CliRunner().invoke(command, [str(model), "--dry-run", *FAST])
    assert told.exit_code == 0
    assert "cache      1,032 blocks of 16 tokens, 2.0 MiB; prefix caching on" in told.output
    assert "compute    reference on cpu, float32" in told.output
    assert told.output.endswith("it fits\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kv-cache-memory", "4KiB"), "set max_model_len to at most"),
        (
            ("--kv-cache-memory", "900TiB", "--max-num-seqs", "1024", "--max-model-len", "4096"),
            "at most 2048",
        ),
        (("--max-model-len", "4096"), "the model was made for at most 2048"),
    ],
)
def test_what_does_not_fit_is_explained(model: Path, arguments: tuple[str, ...], message: str) -> None:
    told = CliRunner().invoke(command, [str(model), "--dry-run", *arguments])
    assert isinstance(told.exception, ConfigurationError)
    assert message in str(told.exception)


def test_names_and_addresses(model: Path) -> None:
    assert default_name(None, model) == default_name("builtin", model) == "builtin"
    assert default_name(str(model), model) == "tiny"
    assert default_name("weft-nano", model) == "weft-nano"
    assert default_name("org/name@main", model) == "org/name"
    assert default_name("models/tiny-Q8_0.gguf", Path("models/tiny-Q8_0.gguf")) == "tiny-Q8_0"
    assert _url("127.0.0.1", 8000) == _url("0.0.0.0", 8000) == "http://127.0.0.1:8000"
    assert _url("::", 1) == _url("::1", 1) == "http://[::1]:1"


def test_without_a_builtin_model_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no built-in model"):
        builtin_model(directory=tmp_path)
    (tmp_path / "weft-tiny").mkdir()
    (tmp_path / "weft-tiny" / "config.json").write_text("{}")
    assert builtin_model(directory=tmp_path) == tmp_path / "weft-tiny"
