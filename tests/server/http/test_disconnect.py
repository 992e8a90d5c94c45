"""A client that goes away frees what its request held, at once, streaming or not."""

import json
import socket
from typing import Any

import pytest

from tests.server.live_server import NAME, LiveServer, eventually
from weft.contracts.events import RequestEnded, StepRecord

LONG: dict[str, Any] = {"model": NAME, "max_tokens": 1900, "ignore_eos": True, "n": 2}
BODIES = {
    "/v1/chat/completions": {**LONG, "messages": [{"role": "user", "content": "tea?"}]},
    "/v1/completions": {**LONG, "prompt": ["tea", "the sea"]},
}


def connect(server: LiveServer, path: str, body: dict[str, Any]) -> socket.socket:
    raw = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port), 10)
    connection.sendall(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
    return connection


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", sorted(BODIES))
def test_leaving_frees_the_blocks(server: LiveServer, path: str, stream: bool) -> None:
    connection = connect(server, path, {**BODIES[path], "stream": stream})
    eventually(lambda: server.live_requests() != [])
    if stream:
        while b"data: " not in connection.recv(4000):
            pass
    metrics = server.state.loaded.metrics
    cancelled, finished = metrics.requests_cancelled.value, metrics.request_success.value
    asked = len(server.live_requests())
    connection.close()
    eventually(lambda: server.live_requests() == [], within_s=1.0)  # the whole output would take seconds
    assert metrics.requests_cancelled.value == cancelled + asked
    assert metrics.request_success.value == finished
    eventually(lambda: server.state.num_in_progress == 0)
    engine = server.llm.engine
    assert engine is not None
    eventually(lambda: server.on_loop(lambda: engine.num_in_flight) == 0)
    server.check_integrity()
    assert server.on_loop(lambda: engine._replica.store.used_blocks()) == 0


def test_leaving_takes_at_most_the_steps_under_way(server: LiveServer) -> None:
    """Counted on the server's own loop, between the cancellation and the last step that knew the request."""
    engine, log = server.llm.engine, server.llm.log
    assert engine is not None
    outputs: list[int] = []
    numbers: list[int] = []

    def on_end(event: RequestEnded) -> None:
        outputs.append(event.output_tokens)

    def on_step(record: StepRecord) -> None:
        if outputs:
            numbers.append(record.number)

    log.subscribe(on_end, RequestEnded)
    log.subscribe(on_step, StepRecord)
    connection = connect(server, "/v1/completions", {**BODIES["/v1/completions"], "prompt": "tea"})
    eventually(lambda: server.live_requests() != [])
    connection.close()
    eventually(lambda: outputs != [])
    eventually(lambda: server.on_loop(lambda: engine.num_in_flight) == 0)
    log.unsubscribe(on_end)
    log.unsubscribe(on_step)
    assert len(numbers) <= server.llm.serving.executor.depth


def test_leaving_before_the_body_is_whole_harms_nobody(server: LiveServer) -> None:
    connection = socket.create_connection(("127.0.0.1", server.port), 10)
    connection.sendall(
        b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: 1000\r\n\r\n{"
    )
    eventually(lambda: server.state.num_in_progress == 1)
    connection.close()
    eventually(lambda: server.state.num_in_progress == 0)
    assert server.ask("/health").status == 200
