"""A server that streams what a script says, to see what the client makes of servers unlike ours."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "scripted"


@dataclass
class Script:
    """What the server does. `refused_fields`: answered with 400. `fails`: of requests by number, from 0 (those of the
    probe count), what goes wrong: a status, "cut" (the stream ends early), "error" (an event says so) or "garbage".
    `chunk_tokens`: tokens per piece. `bodies`: of all requests so far."""

    takes_ids: bool = True
    refused_fields: tuple[str, ...] = ()
    tells_usage: bool = True
    lists_models: bool = True
    max_model_len: int | None = None
    fails: dict[int, int | str] = field(default_factory=dict)
    pause_s: float = 0.0
    chunk_tokens: int = 1
    output_tokens: int | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def scripted_server(script: Script) -> Iterator[Script]:
    """Up while the context lasts; `script.url` says where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: _Handler(script, *given))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, script: Script, *given: Any) -> None:
        self._script = script
        super().__init__(*given)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        model = {"id": MODEL, "max_model_len": self._script.max_model_len}
        self._reply(200 if self._script.lists_models else 404, {"data": [model]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        script, number = self._script, len(self._script.bodies)
        script.bodies.append(body)
        failure = script.fails.get(number)
        refused = [name for name in script.refused_fields if name in body]
        if refused or (isinstance(body.get("prompt"), list) and not script.takes_ids):
            failure = 400
        if isinstance(failure, int):
            self._reply(failure, {"error": {"message": f"no {refused}", "code": "scripted", "type": "x"}})
            return
        with suppress(ConnectionError):  # the client may leave
            self._stream(body, failure)

    def _reply(self, status: int, content: object) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def _stream(self, body: dict[str, Any], failure: str | None) -> None:
        self.send_response(200)
        self.end_headers()
        left = body["max_tokens"] if self._script.output_tokens is None else self._script.output_tokens
        total = left
        while left > 0 and not (failure and left < total):
            time.sleep(self._script.pause_s)
            left -= self._script.chunk_tokens
            self._event(_piece(body, "tea\u2028 ", None if left > 0 else "length"))
        if failure == "error":
            self._event({"error": {"message": "lost", "code": "broken", "type": "server_error"}})
        if failure == "garbage":
            self._event([1, 2])
        if failure is None:
            self._finish(body, total)

    def _finish(self, body: dict[str, Any], output_tokens: int) -> None:
        if self._script.tells_usage:
            usage = {"prompt_tokens": _length(body), "completion_tokens": output_tokens}
            self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]")  # no line end: the last event of a stream may lack it

    def _event(self, content: object) -> None:
        self.wfile.write(b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n")


def _piece(body: dict[str, Any], text: str, reason: str | None) -> dict[str, Any]:
    said = {"delta": {"content": text}} if "messages" in body else {"text": text}
    return {"choices": [{"index": 0, **said, "finish_reason": reason}]}


def _length(body: dict[str, Any]) -> int:
    """Of a text: three tokens that begin it, and two per word."""
    prompt = body["messages"][0]["content"] if "messages" in body else body["prompt"]
    return 3 + 2 * len(prompt.split()) if isinstance(prompt, str) else len(prompt)
