"""Health beside an event loop or a step that hangs: told within ten seconds and by name, and taken back afterwards."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.live_server import NAME, LiveServer, eventually, live_server
from weft.server.health import watchdog
from weft.server.health.progress import StepTimes
from weft.server.health.whereabouts import MOST_CALLERS, MOST_SHOWN, whereabouts
from weft.server.http.stand_in import Answer, StandIn
from weft.server.state import ServerSettings, ServerState

BODY: dict[str, Any] = {"model": NAME, "prompt": [5] * 40, "max_tokens": 6, "ignore_eos": True}
WITHIN_S = 10.0


def in_vain(server: LiveServer) -> threading.Thread:
    """Ask for something that may never be answered."""

    def ask() -> None:
        try:
            server.ask("/v1/completions", BODY)
        except OSError:
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


@contextmanager
def process(model: Path, *arguments: str) -> Iterator[tuple[LiveServer, "subprocess.Popen[bytes]"]]:
    """`weft serve` on a port that was free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "weft.cli.main", "serve", str(model), "--port", str(port)]
    fast = ("--backend", "reference", "--threads", "1", "--served-model-name", NAME)
    popen = subprocess.Popen(
        [*command, *fast, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = LiveServer(f"http://127.0.0.1:{port}", port, ServerState(ServerSettings((NAME,))))
    try:
        eventually(lambda: status(server, "/ready") == 200, within_s=60)
        yield server, popen
    finally:
        popen.kill()
        popen.wait()


def status(server: LiveServer, path: str) -> int:
    """0: nobody answers."""
    try:
        return server.ask(path).status
    except OSError:
        return 0


def test_a_policy_that_sleeps_for_ever_is_told_by_name(model: Path) -> None:
    with process(model, "--order", "tests.server.sleepy_policy:SleepyOrder") as (up, popen):
        assert up.ask("/v1/completions", BODY).status == 200
        in_vain(up)
        begun_s = time.monotonic()
        eventually(lambda: status(up, "/ready") == 503, WITHIN_S)
        eventually(lambda: status(up, "/health") == 503, WITHIN_S)
        assert time.monotonic() - begun_s < WITHIN_S
        told = up.ask("/health").json["status"]
        assert "in tests.server.sleepy_policy.SleepyOrder.decide, called by weft.engine." in told
        assert "/" not in told
        refused = up.ask("/v1/completions", BODY)
        assert (refused.status, refused.error["code"]) == (503, "stalled")
        assert up.ask("/v1/messages", BODY).json["error"]["type"] == "overloaded_error"
        popen.send_signal(signal.SIGTERM)
        popen.send_signal(signal.SIGINT)
        assert popen.wait(5) in (128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_a_loop_that_wakes_up_answers_itself_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "UNREADY_AFTER_S", 0.6)
    monkeypatch.setattr(watchdog, "UNHEALTHY_AFTER_S", 1.5)
    with live_server(model) as up:
        seen: list[tuple[int, int]] = []
        up.loops[0].call_soon_threadsafe(time.sleep, 4.0)
        begun_s = time.monotonic()
        while time.monotonic() < begun_s + 3.5:
            seen.append((up.ask("/ready").status, up.ask("/health").status))
            time.sleep(0.05)
        assert seen.index((503, 200)) < seen.index((503, 503))  # readiness goes first
        told = up.ask("/health")
        assert told.status == 200 or "test_watchdog" not in told.json["status"]
        eventually(lambda: up.ask("/health").json == {"status": "ok"})
        assert up.ask("/v1/completions", BODY).status == 200


def test_a_step_that_never_returns_is_told_by_name(model: Path) -> None:
    with live_server(model) as up:
        for _ in range(3):
            assert up.ask("/v1/completions", BODY).status == 200
        runner, may_step = up.runner, threading.Event()
        execute = runner.execute

        def stuck(step: Any) -> Any:
            may_step.wait(30)
            return execute(step)

        runner.execute = stuck  # type: ignore[method-assign]
        thread, begun_s = in_vain(up), time.monotonic()
        eventually(lambda: up.ask("/ready").status == 503, WITHIN_S)
        assert up.ask("/health").status == 200
        eventually(lambda: up.ask("/health").status == 503, WITHIN_S)
        assert time.monotonic() - begun_s < WITHIN_S
        told = up.ask("/health").json["status"]
        may_step.set()
        assert "tests.server.health.test_watchdog.test_a_step_that_never_returns" in told
        thread.join()
        assert (up.ask("/health").status, up.ask("/ready").status) == (200, 200)


def test_what_steps_take_is_judged_by_steps_of_their_size() -> None:
    times = StepTimes()
    assert times.expected_s(100) is None
    times.note(8, 0.1)
    assert times.expected_s(3) == times.expected_s(15) == 0.1
    assert times.expected_s(2047) == pytest.approx(0.1 * 2**7)
    times.note(2000, 4.0)
    assert times.expected_s(1500) == 4.0
    assert times.expected_s(9) == 0.1
    for _ in range(500):
        times.note(2000, 1.0)
    assert times.expected_s(2000) == pytest.approx(1.0, rel=0.05)


class Visitors:
    """A stand-in that serves in a thread."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.must_end = threading.Event()
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Visitors":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.must_end.set()
        self.thread.join()
        self.listener.close()

    def _serve(self) -> None:
        with StandIn(self.listener, lambda path: Answer(503, {"path": path})) as stand_in:
            while not self.must_end.is_set():
                stand_in.serve(0.05, lambda: True)

    def ask(self, raw: bytes) -> bytes:
        with socket.create_connection(self.listener.getsockname(), 10) as connection:
            connection.sendall(raw)
            answer = b""
            while data := connection.recv(4096):
                answer += data
        return answer


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"GET /health?x=1 HTTP/1.1\r\nhost: a\r\n\r\n", "/health"),
        (b"POST /v1/completions HTTP/1.1\r\ncontent-length: 3\r\n\r\n{}", "/v1/completions"),
        (b"\xff\x00\r\n\r\n", ""),
        (b"GET /" + b"a" * 9000, "/" + "a" * 8187),
    ],
)
def test_whatever_is_sent_gets_one_short_answer(raw: bytes, path: str) -> None:
    with Visitors() as visitors:
        head, _, body = visitors.ask(raw).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert json.loads(body)["path"][:8188] == path


def test_visitors_that_say_nothing_do_not_keep_others_waiting() -> None:
    with Visitors() as visitors:
        silent = [socket.create_connection(visitors.listener.getsockname(), 10) for _ in range(100)]
        begun_s = time.monotonic()
        assert visitors.ask(b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")
        assert time.monotonic() - begun_s < 1.0
        for connection in silent:
            assert connection.recv(10) == b""
            connection.close()
    assert time.monotonic() - begun_s < 6.0


def test_whereabouts_have_names_and_nothing_else() -> None:
    assert whereabouts(None) == "nowhere: its thread has ended"
    assert len(whereabouts(threading.get_ident())) <= MOST_CALLERS * (MOST_SHOWN + len(", called by "))
    assert whereabouts(threading.get_ident()).startswith("weft.server.health.whereabouts.whereabouts")
