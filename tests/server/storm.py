"""Many hostile requests at once, beside one that is not, and what is wrong with the answers."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.server.hostile import Description
from tests.server.in_process import InProcess, Told
from tests.server.live_server import NAME

AT_ONCE = 16
BYSTANDER: dict[str, Any] = {
    "model": NAME,
    "prompt": [7, 8, 9],
    "max_tokens": 40,
    "ignore_eos": True,
    "temperature": 1.0,
    "seed": 4,
    "logprobs": 1,
}
LEAKS = re.compile(
    r"0x[0-9a-f]{5}|Traceback|File \"|line \d+, in |site-packages|/(?:usr|home|tmp|root|opt|var)/|<class |object at"
    r"|\b(?:weft|pydantic|jiter|torch|starlette|uvicorn|llguidance|jinja2|tokenizers|asyncio)\b(?!:)"
    r"|\b[A-Z]\w+(?:Error|Exception)\b"
)
"""What no client needs to know: addresses in memory, paths, stacks, names of libraries, modules and exceptions."""
ADVICE = re.compile(r"; |\bmust\b|\brequired\b")
MOST_MESSAGE_CHARACTERS = 500


class Case(NamedTuple):
    """One request; `name`: what is hostile about it."""

    name: str
    method: str
    path: str
    body: bytes
    headers: dict[str, str] | None = None


class Storm:
    """Answers to cases, judged by what the server says of itself."""

    def __init__(self, app: InProcess, document: dict[str, Any]) -> None:
        self._app, self._description = app, Description(document)

    def faults(self, cases: Iterable[Case]) -> list[str]:
        """What is wrong with the answers to these, or with what a bystander gets meanwhile: one line each."""
        return self._app.run(self._faults(iter(cases)))

    async def _faults(self, cases: Iterator[Case]) -> list[str]:
        alone, faults = await self._bystander(), list[str]()
        workers = asyncio.gather(*(self._work(cases, faults) for _ in range(AT_ONCE)))
        while not workers.done():
            if await self._bystander() != alone:
                faults.append("a bystander got other tokens than alone")
            await asyncio.wait([workers], timeout=0)
        await workers
        return faults

    async def _bystander(self) -> tuple[int, Any]:
        told = await self._app.told("POST", "/v1/completions", json.dumps(BYSTANDER).encode())
        return told.status, told.json["choices"]

    async def _work(self, cases: Iterator[Case], faults: list[str]) -> None:
        for case in cases:
            try:
                told = await self._app.told(case.method, case.path, case.body, case.headers)
            except TimeoutError:
                faults.append(f"{case.name}: no answer")
                continue
            faults += [f"{case.name}: {fault}" for fault in self._of(case, told)]

    def _of(self, case: Case, told: Told) -> Iterator[str]:
        if told.status >= 500 or told.status not in self._description.statuses(case.method, case.path):
            yield f"status {told.status}, which is not described: {told.body[:200]!r}"
        elif told.status != 200:
            yield from faults_of_error(case.path, told)


def faults_of_error(path: str, told: Told) -> Iterator[str]:
    """What is wrong with an answer that is an error."""
    error = told.json["error"]
    speaks_messages = path.startswith("/v1/messages")
    fields = {"type", "message"} if speaks_messages else {"message", "type", "param", "code"}
    if set(error) != fields or (told.json.get("type") == "error") is not speaks_messages:
        yield f"not the protocol's error: {told.body[:200]!r}"
    message: str = error["message"]
    if len(message) > MOST_MESSAGE_CHARACTERS or not message.isprintable():
        yield f"not one short line: {message[:200]!r}"
    if not ADVICE.search(message):
        yield f"says not what to do: {message[:200]!r}"
    if leak := LEAKS.search(message):
        yield f"tells of {leak[0]!r}: {message[:200]!r}"
    if "set-cookie" in told.headers:
        yield "has a header of the client's"
