"""Lines of OpenAI's batch files: requests in, answers out, one JSON object each."""

import json
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from weft.server.http.bodies import MOST_BODY_BYTES
from weft.server.http.json_response import to_json

URLS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages")
FIELDS = ("custom_id", "method", "url", "body")
MOST_LINE_BYTES = MOST_BODY_BYTES + (64 << 10)
MOST_ID_CHARACTERS = 512
MOST_SHOWN = 60


class BatchRequest(NamedTuple):
    """A request of a batch. `line`: its number in the file, from 1 on; `body`: JSON."""

    line: int
    custom_id: str
    url: str
    body: bytes


class BadLine(NamedTuple):
    """A line that is no request. `custom_id`: None where it has none that is good."""

    line: int
    custom_id: str | None
    problem: str


def read_lines(file: BinaryIO) -> Iterator[BatchRequest | BadLine]:
    """What the lines of a file ask; empty ones are left out. No more than one line is in memory."""
    number = 0
    while raw := file.readline(MOST_LINE_BYTES):
        number += 1
        if len(raw) == MOST_LINE_BYTES and not raw.endswith(b"\n"):
            _skip_line(file)
            yield BadLine(number, None, f"the line is longer than {MOST_LINE_BYTES} bytes; split its request")
        elif not raw.isspace():
            yield parse_line(number, raw)


def _skip_line(file: BinaryIO) -> None:
    while (raw := file.readline(MOST_LINE_BYTES)) and not raw.endswith(b"\n"):
        pass


def parse_line(number: int, raw: bytes) -> BatchRequest | BadLine:
    """What one line asks."""
    try:
        line = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        return BadLine(number, None, f"the line is not valid JSON ({error}); write one object per line")
    if not isinstance(line, dict):
        return BadLine(number, None, "the line is no JSON object; write one per line")
    custom_id = line.get("custom_id")
    if not (isinstance(custom_id, str) and 1 <= len(custom_id) <= MOST_ID_CHARACTERS):
        told = "is missing" if custom_id is None else f"is {_shown(custom_id)}"
        return BadLine(
            number, None, f"custom_id {told}; it must be a text of 1 to {MOST_ID_CHARACTERS} characters"
        )
    problem = _problem(line)
    if problem is not None:
        return BadLine(number, custom_id, problem)
    return BatchRequest(number, custom_id, line["url"], json.dumps(line["body"]).encode())


def _problem(line: Mapping[str, Any]) -> str | None:
    """What is wrong with a line beside its `custom_id`."""
    unknown = [name for name in line if name not in FIELDS]
    if unknown:
        return f"field {_shown(unknown[0])} is unknown; a line has {', '.join(FIELDS)}"
    if line.get("method") != "POST":
        return f"method is {_shown(line.get('method'))}; it must be 'POST'"
    if line.get("url") not in URLS:
        return f"url is {_shown(line.get('url'))}; it must be one of {', '.join(URLS)}"
    body = line.get("body")
    if not isinstance(body, dict):
        return f"body is {_shown(body)}; it must be the JSON object that the route takes"
    if body.get("stream"):
        return "body.stream is set; a batch has no streams, so leave it out"
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def answer_line(custom_id: str, status: int, request_id: str, body: object) -> bytes:
    """The line of a request that was answered, also with an error of the protocol's."""
    response = {"status_code": status, "request_id": request_id, "body": body}
    return _line(custom_id, response, None)


def error_line(bad: BadLine) -> bytes:
    """The line of what could not be asked; `bad` must have a `custom_id`."""
    assert bad.custom_id is not None
    return _line(bad.custom_id, None, {"code": "invalid_line", "message": f"line {bad.line}: {bad.problem}"})


def _line(custom_id: str, response: object, error: object) -> bytes:
    named = {"id": f"batch_req_{secrets.token_hex(16)}", "custom_id": custom_id}
    return to_json({**named, "response": response, "error": error}) + b"\n"


def count_lines(path: Path) -> int:
    """How many lines there are, for a progress bar; the last may lack its end."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            count, last = count + piece.count(b"\n"), piece
    return count + (not last.endswith(b"\n"))
