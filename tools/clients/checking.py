"""What the scripts of clients share: a list of checks, and a report that `client_matrix.py` reads.

Runs in environments without Weft, so it imports nothing of it.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

MODEL = "weft-tiny"
QUESTION = "Please set an alarm at 10:30."
MOST_TOKENS = 64
TIME_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"time": {"type": "string", "maxLength": 8}},
    "required": ["time"],
    "additionalProperties": False,
}
FUNCTION: dict[str, Any] = {"name": "set_alarm", "description": "set an alarm", "parameters": TIME_SCHEMA}
TOOLS: list[Any] = [{"type": "function", "function": FUNCTION}]
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]
IMAGE: list[Any] = [
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
]

Check = Callable[[str], str | None]
"""Asks the server at a URL. Returns None where the feature works, the error's text where it is refused by design;
raises where neither is so."""


def require(holds: object, told: object) -> None:
    """As `assert`, but also where Python runs without."""
    if not holds:
        raise AssertionError(f"unexpected: {told!r}")


def refusal(call: Callable[[], object], expected: str) -> str:
    """The text of the error that a call must end with, which holds `expected`."""
    try:
        answer = call()
    except Exception as error:
        require(expected in str(error), str(error))
        return expected
    raise AssertionError(f"no error but {answer!r}")


def check_time(arguments: str | Mapping[str, Any]) -> None:
    """Arguments of the one tool, or an object of its schema, as JSON or read."""
    read = json.loads(arguments) if isinstance(arguments, str) else arguments
    require(set(read) == {"time"} and isinstance(read["time"], str), arguments)


def main(packages: Sequence[str], checks: Mapping[str, Check]) -> None:
    """Run all checks against the URL in the arguments; one JSON object on the last line of the output."""
    found = {feature: _outcome(check, sys.argv[1]) for feature, check in checks.items()}
    print(json.dumps({"versions": {name: version(name) for name in packages}, "features": found}))


def _outcome(check: Check, url: str) -> dict[str, str]:
    try:
        refused = check(url)
    except Exception as error:
        return {"state": "fails", "told": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"}
    return {"state": "works", "told": ""} if refused is None else {"state": "refused", "told": refused}
