"""A client that costs little, so that it can ask one server on the same machine for ten times what it can give: bare
HTTP/1.1 on connections that are kept, and answers of which only the beginning and the end are looked at."""

import asyncio
import json
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from weft.contracts.errors import WeftError
from weft.measurement.overload import Answered, Question, Refused

REFUSALS = (429, 503)
MOST_HEAD_BYTES = 1 << 16


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class LeanClient:
    """Asks a server on this machine for streamed completions. `refusals_s`: from sending a request to having read that
    it is refused, of all that were."""

    def __init__(self, port: int, model: str, vocab_size: int) -> None:
        self._port, self._model, self._vocab_size = port, model, vocab_size
        self._idle: list[_Connection] = []
        self._random = Random(0)
        self.refusals_s: list[float] = []

    async def ask(self, question: Question) -> Answered | Refused:
        """Raises `WeftError` where the server neither answers nor refuses."""
        if self._idle:
            try:
                return await self._ask_on(self._idle.pop(), question)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                if getattr(error, "partial", b""):
                    raise
                # The server had closed it, idle as it was: clients of HTTP then ask on a new one.
        return await self._ask_on(await self._connect(), question)

    async def _ask_on(self, connection: _Connection, question: Question) -> Answered | Refused:
        try:
            found = await self._exchange(connection, question)
        except BaseException:
            connection.writer.close()
            raise
        self._idle.append(connection)
        return found

    async def _exchange(self, connection: _Connection, question: Question) -> Answered | Refused:
        now, request = asyncio.get_running_loop().time, self._request(question)
        begun_s = now()
        connection.writer.write(request)
        status, headers = _head(await connection.reader.readuntil(b"\r\n\r\n"))
        if status == 200:
            first_token_s = await _read_stream(connection.reader, now)
            return Answered(first_token_s, now(), question.output_tokens)
        body = await connection.reader.readexactly(int(headers.get("content-length", 0)))
        if status not in REFUSALS:
            raise WeftError(f"the server answered {status}: {body[:300].decode(errors='replace')}")
        self.refusals_s.append(now() - begun_s)
        told = headers.get("retry-after")
        return Refused(None if told is None else float(told))

    async def close(self) -> None:
        """Close the connections."""
        for _, writer in self._idle:
            writer.close()
            await writer.wait_closed()

    async def _connect(self) -> _Connection:
        streams = await asyncio.open_connection("127.0.0.1", self._port, limit=MOST_HEAD_BYTES)
        return _Connection(*streams)

    def _request(self, question: Question) -> bytes:
        """Prompts of ids by chance, so that none is found in the cache."""
        body = json.dumps(
            {
                "model": self._model,
                "prompt": self._random.choices(range(self._vocab_size), k=question.prompt_tokens),
                "max_tokens": question.output_tokens,
                "ignore_eos": True,
                "stream": True,
            }
        ).encode()
        head = (
            "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"x-weft-tenant: {question.tenant}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _read_stream(reader: asyncio.StreamReader, now: Callable[[], float]) -> float:
    """To its end; when the first event came. Sizes of chunks stand between events and need not be told apart."""
    event = await reader.readuntil(b"\n\n")
    first_token_s = now()
    while b"data: [DONE]" not in event:
        if b'"error"' in event:
            raise WeftError(f"an answer broke off: {event[-300:].decode(errors='replace')}")
        event = await reader.readuntil(b"\n\n")
    await reader.readuntil(b"0\r\n\r\n")
    return first_token_s
