"""A client that does next to nothing: streams are asked for, their bytes counted, their events told by the blank line
that ends each. Run as a process of its own, `PORT STREAMS TOKENS`; it prints one JSON object."""

import json
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass

MOST_BYTES = 1 << 18
"""Taken from a socket at once."""
PAUSE_S = 0.01
"""Between looking for what has come: a reader that wakes up for every event is slower than the server."""
QUESTION = "What is the capital of France?"


@dataclass(frozen=True, slots=True)
class ReaderFigures:
    """What came, and in how many `reads`; `wall_s`: from the first request sent to the last byte."""

    num_events: int
    num_reads: int
    num_bytes: int
    wall_s: float


class _Stream:
    """One answer on its connection."""

    def __init__(self, port: int) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.num_events = 0
        self._last = b""

    def take(self, data: bytes) -> None:
        """An event may end between two reads."""
        self.num_events += (self._last + data).count(b"\n\n")
        self._last = data[-1:]


def read_streams(port: int, num_streams: int, tokens: int) -> ReaderFigures:
    """Ask for so many answers of so many tokens, all at once, and read them to their ends."""
    request, streams = _request(tokens), [_Stream(port) for _ in range(num_streams)]
    num_reads = num_bytes = 0
    with selectors.DefaultSelector() as selector:
        for each in streams:
            selector.register(each.connection, selectors.EVENT_READ, each)
        begun_s = time.perf_counter()
        for each in streams:
            each.connection.sendall(request)
        while selector.get_map():
            time.sleep(PAUSE_S)
            for key, _ in selector.select():
                data = key.data.connection.recv(MOST_BYTES)
                if data:
                    num_reads, num_bytes = num_reads + 1, num_bytes + len(data)
                    key.data.take(data)
                else:
                    selector.unregister(key.fileobj)
                    key.data.connection.close()
    wall_s = time.perf_counter() - begun_s
    return ReaderFigures(sum(each.num_events for each in streams), num_reads, num_bytes, wall_s)


def _request(tokens: int) -> bytes:
    body = {
        "model": "null",
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": tokens,
        "ignore_eos": True,
        "stream": True,
    }
    raw = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(read_streams(*map(int, sys.argv[1:])))))
