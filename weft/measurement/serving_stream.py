"""One streamed answer of an OpenAI-compatible server, as its client sees it: tokens, times, or why there is none."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import httpx

DONE = b"[DONE]"
TEXTS = ("content", "reasoning_content", "reasoning", "tool_calls")
"""Fields of a chat's delta that hold what the model wrote."""
MOST_REASON_CHARACTERS = 60


class RequestFailed(Exception):
    """A request was not answered whole. `reason`: short, the same for the same cause; `detail`: the server's words.

    `status`: of HTTP; None where the connection or the stream failed.
    """

    def __init__(self, reason: str, detail: str = "", status: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail, self.status = reason[:MOST_REASON_CHARACTERS], detail, status


class Answer(NamedTuple):
    """One answer; times are the event loop's.

    `prompt_tokens`: None where the server does not tell. `output_tokens`: as the server tells, else the pieces
    that held text, which `is_counted` tells apart. `gaps_s`: between a piece with text and the next.
    """

    first_s: float
    last_s: float
    prompt_tokens: int | None
    output_tokens: int
    is_counted: bool
    gaps_s: list[float]


async def stream_answer(client: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> Answer:
    """Ask and read to the end. Raises `RequestFailed`."""
    reader, now = _Reader(), asyncio.get_running_loop().time
    try:
        async with client.stream("POST", path, json=body) as response:
            if response.status_code != httpx.codes.OK:
                raise refused(response.status_code, await response.aread())
            async for event in _events(response.aiter_bytes()):
                reader.take(event, now())
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise RequestFailed("no connection", str(error)) from error
    except httpx.HTTPError as error:
        raise RequestFailed("the connection broke", str(error)) from error
    return reader.answer()


def refused(status: int, body: bytes) -> RequestFailed:
    """What an answer with another status than 200 says."""
    try:
        error = json.loads(body)["error"]
        code, message = error.get("code") or error.get("type"), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message = None, body[:200].decode(errors="replace")
    return RequestFailed(f"HTTP {status}{f' ({code})' if code else ''}", message, status)


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of each server-sent event; of lines, since the protocol has one line per event."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
    if rest.startswith(b"data:"):
        yield rest[5:].strip()


class _Reader:
    """Folds events as they come."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._last_s = self._text_s = 0.0
        self._gaps_s: list[float] = []
        self._num_pieces = 0
        self._usage: Mapping[str, Any] = {}
        self._is_over = False

    def take(self, event: bytes, now_s: float) -> None:
        """Note one event that came now."""
        if event == DONE:
            self._is_over = True
            return
        try:
            self._read(json.loads(event), now_s)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RequestFailed("the stream is not the protocol's", repr(error)) from error

    def _read(self, news: Any, now_s: float) -> None:
        if "error" in news:
            error = news["error"]
            raise RequestFailed(f"the stream broke off ({error.get('code') or error.get('type')})")
        self._usage = news.get("usage") or self._usage
        for choice in news.get("choices") or ():
            if _has_text(choice):
                self._note_text(now_s)
            if choice.get("finish_reason") is not None:
                self._is_over, self._last_s = True, now_s

    def _note_text(self, now_s: float) -> None:
        if self._first_s is None:
            self._first_s = now_s
        else:
            self._gaps_s.append(now_s - self._text_s)
        self._text_s = self._last_s = now_s
        self._num_pieces += 1

    def answer(self) -> Answer:
        """All of it; raises `RequestFailed` where the end is missing."""
        if not self._is_over or not self._last_s:
            raise RequestFailed("the stream ended early")
        first_s = self._last_s if self._first_s is None else self._first_s
        output_tokens = _count(self._usage, "completion_tokens")
        return Answer(
            first_s,
            self._last_s,
            _count(self._usage, "prompt_tokens"),
            self._num_pieces if output_tokens is None else output_tokens,
            output_tokens is not None,
            self._gaps_s,
        )


def _has_text(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    return bool(choice.get("text")) or any(delta.get(name) for name in TEXTS)


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) else None
