"""The application without sockets: requests meet it on one event loop, a hundred times as fast as through HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from starlette.types import ASGIApp

from tests.server.live_server import NAME, OPTIONS
from weft.llm.async_llm import AsyncLLM
from weft.server.app import make_app
from weft.server.state import ServerSettings, ServerState

Answer = TypeVar("Answer")
JSON_HEADERS = {"host": "localhost", "content-type": "application/json"}
ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True)
class Told:
    """Status, headers and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class InProcess:
    """An application on a loop of its own, which runs while one of these methods does."""

    def __init__(self, runner: asyncio.Runner, llm: AsyncLLM, state: ServerState) -> None:
        self._runner, self.llm, self.state = runner, llm, state
        self._app = make_app(state)

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """What this gives, within the loop."""
        return self._runner.run(work)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Told:
        """One request alone."""
        return self.run(self.told(method, path, body, headers))

    async def told(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Told:
        """The answer to a request, which may be one of many; `headers` stand beside those of every JSON request.
        Raises `TimeoutError` where there is none in time."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await _ask(self._app, method, path, body, headers or {})

    def check_idle(self) -> None:
        """Raises where a request, a block or a broken table is left behind."""
        engine = self.llm.engine
        if engine is None:
            return
        if engine.live_requests() or self.state.num_in_progress:
            raise AssertionError(f"requests are left: {engine.live_requests()}")
        engine.check_integrity()


def description() -> dict[str, Any]:
    """The OpenAPI document, which needs no model."""
    app = make_app(ServerState(ServerSettings((NAME,))))
    document: dict[str, Any] = asyncio.run(_ask(app, "GET", "/openapi.json", b"", {})).json
    return document


async def _ask(app: ASGIApp, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Told:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(
        _scope(method, path, {**JSON_HEADERS, "content-length": str(len(body)), **headers}),
        _receive(body),
        send,
    )
    told = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Told(sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:]))


def _scope(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    raw, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": unquote(raw),
        "raw_path": raw.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ],
    }


def _receive(body: bytes) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The body in one piece; then the client waits."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        forever = asyncio.Future[dict[str, Any]]()
        return await forever

    return receive


@contextmanager
def in_process(model: Path, settings: ServerSettings | None = None, **options: Any) -> Iterator[InProcess]:
    """A loaded model behind its routes, until the context ends."""
    with asyncio.Runner() as runner:
        llm, state = (
            AsyncLLM(model, **{**OPTIONS, **options}),
            ServerState(settings or ServerSettings((NAME,))),
        )
        state.model_is_ready(llm)
        try:
            yield InProcess(runner, llm, state)
        finally:
            runner.run(llm.close())
