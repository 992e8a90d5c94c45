"""A client that knows when an answer is whole."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from weft.contracts.errors import ConfigurationError, WeftError
from weft.measurement.latency_client import Chats, post

HEAD = b"HTTP/1.1 200 OK\r\n"
GAP_S = 0.02


@contextmanager
def answering(*pieces: bytes, times: int = 1) -> Iterator[int]:
    """A port where each request gets these, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, pieces, times))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def _answer(listener: socket.socket, pieces: Sequence[bytes], times: int) -> None:
    for _ in range(times):
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(GAP_S)


def test_an_answer_in_one_piece_ends_with_its_length() -> None:
    with answering(HEAD + b"Content-Length: 12\r\n\r\n{", b'"told": 42', b"}") as port:
        reply = post(port, "/ask", {})
    assert reply.json == {"told": 42}
    assert reply.first_s is None
    assert reply.ended_s - reply.sent_s >= 2 * GAP_S


def test_a_stream_begins_with_its_first_event_and_ends_with_its_last_chunk() -> None:
    pieces = (b"7\r\ndata: 1\r\n", b"7\r\ndata: 2\r\n", b"0\r\n", b"\r\n")
    with answering(HEAD + b"transfer-encoding: chunked\r\n\r\n", *pieces) as port:
        reply = post(port, "/ask", {})
    assert reply.first_s is not None
    assert reply.sent_s < reply.first_s < reply.ended_s - 2 * GAP_S


def test_an_answer_that_breaks_off_is_an_error() -> None:
    with answering(HEAD + b"content-length: 12\r\n\r\n{") as port, pytest.raises(WeftError, match="middle"):
        post(port, "/ask", {})


def test_a_refusal_is_told_in_the_servers_words() -> None:
    body = b'{"error": {"message": "no template"}}'
    refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    with answering(refusal) as port, pytest.raises(WeftError, match="no template"):
        _ = post(port, "/ask", {}).json


def test_a_template_longer_than_the_prompt_is_named() -> None:
    body = b'{"count": 7}'
    with (
        answering(HEAD + b"content-length: 12\r\n\r\n" + body, times=2) as port,
        pytest.raises(ConfigurationError, match=r"no chat of 2 tokens .* 7; ask for other --prompt-tokens"),
    ):
        Chats(port, 0).body(2, 1, stream=False)
