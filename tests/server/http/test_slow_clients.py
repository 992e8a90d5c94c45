"""Clients that read slowly or vanish: they cost the others nothing, and what they hold is free within a step."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.http.test_http_edges import connect, read
from tests.server.live_server import NAME, LiveServer, eventually, live_server
from weft.contracts.events import RequestEnded, Status
from weft.server.http.patience import Patience

LONG: dict[str, Any] = {"model": NAME, "prompt": [5] * 9, "max_tokens": 1900, "ignore_eos": True}


@pytest.fixture(scope="module")
def narrow(model: Path) -> Iterator[LiveServer]:
    """Two sequences at once, small steps, and a client must read within a second."""
    waits = Patience(send_s=1.0)
    with live_server(model, patience=waits, max_num_seqs=2, max_num_batched_tokens=16) as up:
        yield up


def send(connection: socket.socket, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    head = "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)


def used_blocks(server: LiveServer) -> int:
    engine = server.llm.engine
    assert engine is not None
    return server.on_loop(lambda: engine._replica.store.used_blocks())


def test_one_that_reads_nothing_is_dropped_and_others_are_served_meanwhile(narrow: LiveServer) -> None:
    ends: list[RequestEnded] = []
    narrow.llm.log.subscribe(ends.append, RequestEnded)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", narrow.port))
    try:
        send(connection, {**LONG, "stream": True, "logprobs": 20, "n": 2})
        eventually(lambda: narrow.live_requests() != [])
        begun_s = time.monotonic()
        assert narrow.ask("/v1/completions", {**LONG, "max_tokens": 5}).status == 200
        assert time.monotonic() - begun_s < 5.0
        eventually(lambda: narrow.state.num_in_progress == 0, within_s=30)
        assert sorted(end.status.value for end in ends) == ["cancelled", "finished"]
        eventually(lambda: used_blocks(narrow) == 0)
    finally:
        connection.close()
        narrow.llm.log.unsubscribe(ends.append)


def test_one_that_reads_slowly_gets_all_of_it(server: LiveServer) -> None:
    with connect(server) as connection:
        send(connection, {**LONG, "max_tokens": 300, "stream": True})
        data = b""
        while b"[DONE]" not in data:
            data += (more := connection.recv(2000))
            assert more
            time.sleep(0.001)
        assert data.count(b'"finish_reason":"length"') == 1


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_vanishes_while_it_waits_is_forgotten(narrow: LiveServer, stream: bool) -> None:
    running = [connect(narrow) for _ in range(2)]
    for connection in running:
        send(connection, LONG)
    eventually(lambda: len(narrow.live_requests()) == 2)
    with connect(narrow) as waiting:
        send(waiting, {**LONG, "stream": stream})
        eventually(lambda: len(narrow.live_requests()) == 3)
    eventually(lambda: len(narrow.live_requests()) == 2, within_s=3.0)
    for connection in running:
        connection.close()
    eventually(lambda: narrow.live_requests() == [] and used_blocks(narrow) == 0)
    narrow.check_integrity()


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_vanishes_while_its_prompt_is_computed_is_forgotten(
    narrow: LiveServer, stream: bool
) -> None:
    """The prompt takes a hundred steps, and the first of them already holds blocks."""
    ends: list[RequestEnded] = []
    narrow.llm.log.subscribe(ends.append, RequestEnded)
    with connect(narrow) as connection:
        send(connection, {**LONG, "prompt": [7, *range(3, 50)] * 33, "max_tokens": 9, "stream": stream})
        eventually(lambda: narrow.live_requests() != [] and used_blocks(narrow) > 0)
    eventually(lambda: narrow.live_requests() == [] and used_blocks(narrow) == 0)
    narrow.llm.log.unsubscribe(ends.append)
    assert [(end.status, end.output_tokens) for end in ends] == [(Status.CANCELLED, 0)]


def test_stopping_in_time_ends_streams_with_an_error_and_the_rest_with_503(model: Path) -> None:
    with live_server(model, patience=Patience(shutdown_s=0.5)) as up:
        replies: list[Any] = []
        thread = threading.Thread(target=lambda: replies.append(up.ask("/v1/completions", {**LONG, "n": 2})))
        thread.start()
        with connect(up) as streaming, connect(up) as silent:
            send(streaming, {**LONG, "stream": True})
            silent.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\n")
            silent.sendall(b"content-type: application/json\r\ncontent-length: 99\r\n\r\n{")
            data = streaming.recv(4096)
            eventually(lambda: up.state.num_in_progress == 3)
            begun_s = time.monotonic()
            up.on_loop(up.state.drain)
            while more := streaming.recv(65536):
                data += more
            assert time.monotonic() - begun_s < 4.0
            thread.join()
            assert (replies[0].status, replies[0].error["code"]) == (503, "stopping")
            last = [line for line in data.split(b"\n") if line.startswith(b"data: ")][-1]
            assert json.loads(last[6:])["error"]["code"] == "stopping"
            status, _, body = read(silent)
            assert (status, json.loads(body)["error"]["code"]) == (503, "stopping")
