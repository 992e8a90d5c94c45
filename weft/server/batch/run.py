"""A batch of requests, answered by the routes of the server without its socket."""

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx

from weft.contracts.errors import ConfigurationError
from weft.server.app import make_app
from weft.server.batch.lines import BadLine, BatchRequest, answer_line, error_line
from weft.server.state import ServerState

UNAVAILABLE = 503
"""Nothing will be answered any more: the run is being stopped, or the engine has."""


class BatchCounts(NamedTuple):
    """What became of the lines of a batch."""

    answered: int = 0
    failed: int = 0
    skipped: int = 0


class BatchRun:
    """Asks an application one line after the other, so many at once; memory does not grow with the number of lines
    but for their `custom_id`.

    `done`: the `custom_id`s that were answered before. `write` takes a line of the output, `tell` what a user must know
    of a line by its number, `step` is called after each line.
    """

    def __init__(
        self,
        state: ServerState,
        done: set[str],
        write: Callable[[bytes], None],
        tell: Callable[[int, str], None],
        step: Callable[[], object],
    ) -> None:
        self._state, self._done, self._seen = state, done, set[str]()
        self._write, self._tell, self._step = write, tell, step
        self.counts = BatchCounts()

    async def run(self, lines: Iterator[BatchRequest | BadLine], most_at_once: int) -> None:
        """Until all lines are through. Raises `ConfigurationError` where the engine has stopped for good."""
        async with make_client(self._state) as client:
            working = [asyncio.ensure_future(self._work(client, lines)) for _ in range(most_at_once)]
            try:
                await asyncio.gather(*working)
            finally:
                for task in working:
                    task.cancel()
                await asyncio.gather(*working, return_exceptions=True)

    async def _work(self, client: httpx.AsyncClient, lines: Iterator[BatchRequest | BadLine]) -> None:
        for line in lines:
            if self._is_new(line):
                await self._take(client, line)
            self._step()

    def _is_new(self, line: BatchRequest | BadLine) -> bool:
        """What has no name of its own has no place in the output, as nobody could tell what it answers: it is told."""
        name = line.custom_id
        if name is None or name in self._seen:
            again = f"custom_id {name!r} was there before; each line needs its own"
            self._fail(line.line, line.problem if isinstance(line, BadLine) else again)
            return False
        self._seen.add(name)
        is_done = name in self._done
        self._done.discard(name)
        self.counts = self.counts._replace(skipped=self.counts.skipped + is_done)
        return not is_done

    async def _take(self, client: httpx.AsyncClient, line: BatchRequest | BadLine) -> None:
        if isinstance(line, BadLine):
            self._write(error_line(line))
            self._fail(line.line, line.problem)
            return
        reply = await client.post(line.url, content=line.body)
        _check_goes_on(reply)
        body = reply.json()
        self._write(answer_line(line.custom_id, reply.status_code, reply.headers["x-request-id"], body))
        if reply.is_success:
            self.counts = self.counts._replace(answered=self.counts.answered + 1)
        else:
            self._fail(line.line, f"{reply.status_code}: {body['error']['message']}")

    def _fail(self, line: int, problem: str) -> None:
        self._tell(line, problem)
        self.counts = self.counts._replace(failed=self.counts.failed + 1)


def _check_goes_on(reply: httpx.Response) -> None:
    """A request that is cancelled is still answered, for clients that wait at a socket; here there is none."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    if reply.status_code == UNAVAILABLE:
        raise ConfigurationError(
            "the engine has stopped; what is written stays, so run the batch again with --resume"
        )


def make_client(state: ServerState) -> httpx.AsyncClient:
    """Asks the routes in this process. Raises nothing that the server answers with an error."""
    transport = httpx.ASGITransport(make_app(state), raise_app_exceptions=True)
    headers = {"content-type": "application/json"}
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers, timeout=None)
