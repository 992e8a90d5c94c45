"""A real server on a free port, in a thread of its own, for tests that speak HTTP with it."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from weft.llm.async_llm import AsyncLLM
from weft.server.http.patience import Patience
from weft.server.lifecycle import listen, serve
from weft.server.state import ServerSettings, ServerState

Answer = TypeVar("Answer")
OPTIONS: Mapping[str, Any] = {"device": "cpu", "num_threads": 1, "max_num_seqs": 16}
if TYPE_CHECKING:
    from weft.executor.model_runner import ModelRunner

NAME = "tiny"


@dataclass
class Reply:
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error = self.json["error"]
        if set(error) != {"message", "type", "param", "code"}:
            raise AssertionError(f"not the protocol's error body: {error}")
        return dict(error)


@dataclass
class LiveServer:
    """`url`: without a path."""

    url: str
    port: int
    state: ServerState
    llms: list[AsyncLLM] = field(default_factory=list)
    loops: list[asyncio.AbstractEventLoop] = field(default_factory=list)

    @property
    def llm(self) -> AsyncLLM:
        return self.llms[0]

    @property
    def runner(self) -> "ModelRunner":
        """What its steps are done by."""
        from weft.executor.loading import Serving

        serving = self.llm.serving
        if not isinstance(serving, Serving):
            raise AssertionError("this server has no model")
        return serving.executor.runner

    def on_loop(self, call: Callable[[], Answer]) -> Answer:
        """What a call returns, made on the server's loop."""

        async def run() -> Answer:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self.loops[0]).result(20)

    def live_requests(self) -> list[str]:
        engine = self.llm.engine
        return [] if engine is None else self.on_loop(engine.live_requests)

    def check_integrity(self) -> None:
        engine = self.llm.engine
        if engine is not None:
            self.on_loop(engine.check_integrity)

    def ask(
        self,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """POST where there is a body, else GET."""
        data = raw if raw is not None or body is None else json.dumps(body).encode()
        named = {"content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def live_server(
    model: Path,
    settings: ServerSettings | None = None,
    load: Callable[[], AsyncLLM] | None = None,
    *,
    waits: bool = True,
    patience: Patience | None = None,
    **options: Any,
) -> Iterator[LiveServer]:
    """Up while the context lasts, drained at its end. `waits`: until the model is loaded."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    state = ServerState(settings or ServerSettings((NAME,)))
    server = LiveServer(f"http://127.0.0.1:{port}", port, state)
    is_ready = threading.Event()

    def ready(llm: AsyncLLM) -> None:
        server.llms.append(llm)
        is_ready.set()

    async def main() -> None:
        server.loops.append(asyncio.get_running_loop())
        make = load or (lambda: AsyncLLM(model, **{**OPTIONS, **options}))
        await serve(listener, state, make, ready, patience)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        if waits:
            _wait(is_ready)
        yield server
    finally:
        _wait(is_ready)
        server.loops[0].call_soon_threadsafe(state.drain)
        thread.join(30)
        if thread.is_alive():
            raise AssertionError("the server did not end")


def _wait(event: threading.Event) -> None:
    """Raises, as all checks in this file, also where Python runs without asserts."""
    if not event.wait(30):
        raise AssertionError("the server did not get ready")


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    """Waits until something holds."""
    until_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > until_s:
            raise AssertionError("it never came to hold")
        time.sleep(0.005)
