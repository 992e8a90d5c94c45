"""A client that does next to nothing, and a clock that it shares with the server."""

import json
import socket
import time
from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from weft.contracts.errors import ConfigurationError, WeftError
from weft.measurement.latency_process import SERVED_NAME
from weft.measurement.serving_requests import WORDS

MOST_BYTES = 1 << 18
"""Taken from a socket at once."""
LAST_CHUNK = b"0\r\n\r\n"
FILLER = " a"
"""Mostly one token: makes up for words of several."""
TIMEOUT_S = 600.0


class Reply(NamedTuple):
    """What came, and when. `first_s`: the first event of a stream; None where there is none."""

    sent_s: float
    first_s: float | None
    ended_s: float
    data: bytes

    @property
    def json(self) -> Any:
        """Of an answer in one piece. Raises `WeftError` for a refusal, with the server's words."""
        head, _, body = self.data.partition(b"\r\n\r\n")
        told = json.loads(body)
        if not head.startswith(b"HTTP/1.1 200"):
            raise WeftError(f"the server refuses a request of the measurement: {told['error']['message']}")
        return told


def post(port: int, path: str, body: Mapping[str, Any]) -> Reply:
    """Ask on a connection of its own; the time begins with it and ends with the last byte of the answer."""
    request = _request(path, json.dumps(body).encode())
    data, first_s = b"", None
    sent_s = ended_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.sendall(request)
        while not _is_whole(data):
            piece = connection.recv(MOST_BYTES)
            ended_s = time.monotonic()
            if not piece:
                raise WeftError("the server closed a connection in the middle of an answer; see what it says")
            data += piece
            if first_s is None and b"\ndata:" in data:
                first_s = ended_s
    return Reply(sent_s, first_s, ended_s, data)


def _request(path: str, raw: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw


def _is_whole(data: bytes) -> bool:
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length) if length else data.endswith(LAST_CHUNK)


class Chats:
    """Conversations of one message in words by chance, never the same twice."""

    def __init__(self, port: int, seed: int) -> None:
        self._port, self._random = port, Random(seed)

    def body(self, prompt_tokens: int, output_tokens: int, *, stream: bool) -> dict[str, Any]:
        """A request whose prompt, template included, has so many tokens, and whose answer will have. Raises
        `ConfigurationError` where the template alone has more."""
        messages = self._messages(prompt_tokens)
        return {
            "model": SERVED_NAME,
            "messages": messages,
            "max_tokens": output_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": stream,
        }

    def _messages(self, tokens: int) -> list[dict[str, str]]:
        words = self._random.choices(WORDS, k=tokens)
        fewest, most = 0, tokens  # words with which it fits, and with which it may not
        while fewest < most:
            middle = (fewest + most + 1) // 2
            fits = self._count(" ".join(words[:middle])) <= tokens
            fewest, most = (middle, most) if fits else (fewest, middle - 1)
        text = " ".join(words[:fewest])
        while (count := self._count(text)) < tokens:
            text += FILLER
        if count > tokens:
            raise ConfigurationError(
                f"no chat of {tokens} tokens was found for this model: its template makes a message of "
                f"{len(text)} characters {count}; ask for other --prompt-tokens"
            )
        return [{"role": "user", "content": text}]

    def _count(self, text: str) -> int:
        messages = [{"role": "user", "content": text}]
        count: int = post(self._port, "/tokenize", {"model": SERVED_NAME, "messages": messages}).json["count"]
        return count
