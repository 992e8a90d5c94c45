"""What serves a load: a server over HTTP, or an engine in the process of its driver."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import httpx

from weft.measurement.peers.driver_process import DriverProcess, PeerFailed, last_words
from weft.measurement.peers.serving_load import Asked, Served
from weft.measurement.serving_stream import RequestFailed, stream_answer
from weft.measurement.serving_target import IDLE_CONNECTION_S

READY_TIMEOUT_S = 300.0
ASKED_AGAIN_S = 0.2


class Service(Protocol):
    """Something that serves a load."""

    async def serve(self, load: Sequence[Asked]) -> list[Served]:
        """Each request when it arrives, whatever became of the others. Raises `PeerFailed` where one is not answered
        whole."""


class HttpService:
    """A server with the routes of OpenAI's, asked for streams; prompts are sent as token ids."""

    def __init__(self, client: httpx.AsyncClient, model: str) -> None:
        self._client, self._model = client, model

    async def serve(self, load: Sequence[Asked]) -> list[Served]:
        """See `Service`."""
        begun_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(each, begun_s)) for each in load]
        except BaseExceptionGroup as failed:
            raise PeerFailed(str(failed.exceptions[0])) from failed
        return [task.result() for task in tasks]

    async def _ask(self, asked: Asked, begun_s: float) -> Served:
        now = asyncio.get_running_loop().time
        await asyncio.sleep(asked.arrival_s - (now() - begun_s))
        answer = await stream_answer(self._client, "completions", self._body(asked))
        if answer.output_tokens != asked.output_tokens:
            raise RequestFailed(f"{answer.output_tokens} tokens came, {asked.output_tokens} were asked for")
        return Served(answer.first_s - begun_s, answer.last_s - begun_s, answer.output_tokens)

    def _body(self, asked: Asked) -> dict[str, object]:
        return {
            "model": self._model,
            "prompt": asked.prompt,
            "max_tokens": asked.output_tokens,
            "temperature": 0,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


class ProcessService:
    """An engine that lives with its client in one process, see `drivers/loop.py`."""

    def __init__(self, process: DriverProcess) -> None:
        self._process = process

    async def serve(self, load: Sequence[Asked]) -> list[Served]:
        """See `Service`. Nothing else runs in this process meanwhile."""
        served = [Served(*each) for each in self._process.call("serve", load)]
        for asked, found in zip(load, served, strict=True):
            if found.output_tokens != asked.output_tokens:
                raise PeerFailed(f"{found.output_tokens} tokens came, {asked.output_tokens} were asked for")
        return served


@asynccontextmanager
async def http_service(command: Sequence[str], log: Path) -> AsyncIterator[HttpService]:
    """A server that is started with a command, in which PORT stands for its port. Raises `PeerFailed`."""
    port = _free_port()
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            *(part.replace("PORT", str(port)) for part in command), stdout=written, stderr=written
        )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/v1/",
            timeout=None,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=IDLE_CONNECTION_S),
            trust_env=False,
        ) as client:
            await _wait_until_ready(client, f"http://127.0.0.1:{port}/health", process, log)
            listed = await client.get("models")
            yield HttpService(client, listed.json()["data"][0]["id"])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _wait_until_ready(
    client: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process, log: Path
) -> None:
    until_s = time.monotonic() + READY_TIMEOUT_S
    while process.returncode is None and time.monotonic() < until_s:
        try:
            if (await client.get(url)).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        await asyncio.sleep(ASKED_AGAIN_S)
    raise PeerFailed(f"is not ready: {last_words(log)}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
