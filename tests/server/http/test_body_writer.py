"""Streams are written past ASGI where that is possible, and say the same either way."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.server.live_server import NAME, OPTIONS, live_server
from weft.server.http.body_writer import BodyWriter

BODY = {
    "model": NAME,
    "prompt": "the quick",
    "max_tokens": 40,
    "temperature": 0,
    "ignore_eos": True,
    "stream": True,
}


def texts(body: bytes) -> list[str]:
    events = body.decode().removesuffix("\n\n").split("\n\n")
    assert events[-1] == "data: [DONE]"
    return [json.loads(each.removeprefix("data: "))["choices"][0]["text"] for each in events[:-1]]


def test_both_ways_say_the_same(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    num_written, write = 0, BodyWriter.write

    def counted(writer: BodyWriter, data: bytes) -> None:
        nonlocal num_written
        num_written += 1
        write(writer, data)

    with live_server(model, **OPTIONS) as server:
        monkeypatch.setattr(BodyWriter, "write", counted)
        past_asgi = texts(server.ask("/v1/completions", BODY).body)
        assert num_written > 20
        monkeypatch.setattr(BodyWriter, "is_ready", False)
        written = num_written
        assert texts(server.ask("/v1/completions", BODY).body) == past_asgi
        assert num_written == written


def test_an_error_in_the_middle_ends_the_stream_with_an_event(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("unforeseen")

    with live_server(model, **OPTIONS) as server:
        monkeypatch.setattr(BodyWriter, "write", broken)
        *_, last, end = server.ask("/v1/completions", BODY).body.decode().split("\n\n")
        error: dict[str, Any] = json.loads(last.removeprefix("data: "))["error"]
        assert (error["code"], end) == ("internal_error", "")
        monkeypatch.undo()
        assert server.ask("/v1/completions", BODY).status == 200
