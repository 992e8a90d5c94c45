"""What HTTP allows and what it does not, on bare sockets: every mistake gets an answer, and nobody else notices."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.live_server import NAME, LiveServer, eventually, live_server
from weft.server.http.bounds import MOST_HEADER_BYTES, MOST_HEADERS, MOST_PATH_BYTES
from weft.server.http.patience import Patience

BODY = json.dumps({"model": NAME, "prompt": [5] * 9, "max_tokens": 3, "ignore_eos": True}).encode()
HEAD = b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
SHORT = Patience(head_s=0.4, idle_s=1.0, send_s=1.0)


@pytest.fixture(scope="module")
def hasty(model: Path) -> Iterator[LiveServer]:
    """A server of little patience."""
    with live_server(model, patience=SHORT) as up:
        yield up


def connect(server: LiveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


def exchange(server: LiveServer, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the first answer to these bytes."""
    with connect(server) as connection:
        connection.sendall(raw)
        return read(connection)


def read(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := connection.recv(65536))
        assert more, data
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)) and (more := connection.recv(65536)):
        body += more
    return int(lines[0].split()[1]), headers, body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def with_length(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(headers) + b"content-length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b"GET /health HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "invalid_http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "invalid_http"),
        (HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabc", 400, "invalid_http"),
        (HEAD + b"content-length: -3\r\n\r\nabc", 400, "invalid_http"),
        (HEAD + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc", 400, "invalid_http"),
        (HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\n\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/2.0\r\nhost: a\r\n\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nx : a\r\n\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", 400, "invalid_http"),
        (b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", 400, "invalid_http"),
        (b"GET /h\xe4lth HTTP/1.1\r\nhost: a\r\n\r\n", 400, "invalid_http"),
        (
            HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nx: " + b"a" * 600_000,
            431,
            "head_too_large",
        ),
        (HEAD + b"transfer-encoding: gzip\r\n\r\nabc", 400, "invalid_http"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\nnonsense\r\n\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n", 400, "invalid_http"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 70_000, 431, "head_too_large"),
        (HEALTH[:-2] + b"x: " + b"a" * MOST_HEADER_BYTES + b"\r\n\r\n", 431, "head_too_large"),
        (HEALTH[:-2] + b"x: a\r\n" * MOST_HEADERS + b"\r\n", 431, "head_too_large"),
        (b"GET /" + b"a" * MOST_PATH_BYTES + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 414, "path_too_long"),
        (b"GET /%ff%fe%0d%0aset-cookie:%20a=b HTTP/1.1\r\nhost: localhost\r\n\r\n", 404, "not_found"),
        (b"OPTIONS /v1/completions HTTP/1.1\r\nhost: localhost\r\n\r\n", 405, "method_not_allowed"),
        (with_length(b"a" * 10_000_000), 413, "body_too_large"),
        (
            HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(b"a" * 10_000_000, 1 << 20),
            413,
            "body_too_large",
        ),
    ],
)
def test_mistakes_are_answered_in_the_format_of_the_protocol(
    server: LiveServer, raw: bytes, status: int, code: str
) -> None:
    told, headers, body = exchange(server, raw)
    error = json.loads(body)["error"]
    assert (told, error["code"], error["type"]) == (status, code, "invalid_request_error")
    assert "set-cookie" not in headers
    assert server.ask("/health").status == 200


def test_what_http_allows_is_understood(server: LiveServer) -> None:
    for raw in (
        with_length(BODY),
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(BODY, 7),
    ):
        status, _, body = exchange(server, raw)
        assert status == 200, body
    with connect(server) as connection:
        connection.sendall(b"HEAD /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


def test_headers_behind_a_body_are_not_taken_for_headers(server: LiveServer) -> None:
    pieces = chunked(BODY, 7)[:-2] + b"x-request-id: late\r\n\r\n"
    status, headers, _ = exchange(server, HEAD + b"transfer-encoding: chunked\r\n\r\n" + pieces)
    assert (status, headers["x-request-id"] == "late") == (200, False)


def test_who_would_rather_speak_another_protocol_is_answered_in_this_one(server: LiveServer) -> None:
    with connect(server) as connection:
        connection.sendall(with_length(BODY, b"connection: upgrade\r\nupgrade: h2c\r\n"))
        assert read(connection)[0] == 200
        connection.sendall(HEALTH[:-2] + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n" + HEALTH)
        answers = b""
        while answers.count(b'{"status":"ok"}') < 2:
            answers += (more := connection.recv(65536))
            assert more


def test_a_client_may_ask_before_it_sends_the_body(server: LiveServer) -> None:
    with connect(server) as connection:
        connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        assert read(connection)[0] == 200
    with connect(server) as connection:  # and is spared the body that would be refused
        large = HEAD + b"expect: 100-continue\r\ncontent-length: 99000000\r\n\r\n"
        connection.sendall(large)
        assert read(connection)[0] == 413


def test_one_connection_serves_many_requests_and_pipelined_ones(server: LiveServer) -> None:
    with connect(server) as connection:
        for _ in range(3):
            connection.sendall(HEALTH)
            assert read(connection)[0] == 200
        connection.sendall(HEALTH * 3)
        answers = b""
        while answers.count(b'{"status":"ok"}') < 3:
            answers += (more := connection.recv(65536))
            assert more


def closed_after_s(connection: socket.socket, *, trickle: bytes = b"") -> float:
    """How long the server keeps a connection open, to which a byte is sent now and then."""
    begun_s = time.monotonic()
    connection.settimeout(0.05)
    for index in range(400):
        try:
            if not connection.recv(65536):
                break
        except TimeoutError:
            if trickle:
                try:
                    connection.sendall(trickle[index % len(trickle)].to_bytes(1, "big"))
                except OSError:
                    break
        except OSError:
            break
    return time.monotonic() - begun_s


def test_a_head_that_trickles_is_given_up(hasty: LiveServer) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nx: ")
        assert 0.3 < closed_after_s(connection, trickle=b"a") < 3.0
    with connect(hasty) as connection:  # also the second one on a connection
        connection.sendall(HEALTH)
        assert read(connection)[0] == 200
        connection.sendall(b"GET /health HTTP/1.1\r\nx: ")
        time.sleep(0.6)
        status, _, body = read(connection)
        assert (status, json.loads(body)["error"]["code"]) == (408, "timeout")


def test_a_body_that_nobody_wants_may_not_trickle_for_ever(hasty: LiveServer) -> None:
    with connect(hasty) as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\na")
        assert read(connection)[0] == 404
        assert closed_after_s(connection, trickle=b"a") < 3.0


def test_an_idle_connection_is_closed_in_the_end(hasty: LiveServer) -> None:
    with connect(hasty) as connection:
        assert 0.5 < closed_after_s(connection) < 4.0


def test_a_thousand_idle_connections_keep_nobody_from_being_served(server: LiveServer) -> None:
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit == min(most, 1 << 16) if most != resource.RLIM_INFINITY else limit >= 1 << 16
    count = min(1000, limit // 2 - 200)
    idle = [connect(server) for _ in range(count)]
    try:
        begun_s = time.monotonic()
        assert server.ask("/v1/completions", json.loads(BODY)).status == 200
        assert time.monotonic() - begun_s < 5.0
    finally:
        for connection in idle:
            connection.close()
    eventually(lambda: server.ask("/health").status == 200)
