"""Runs a driver.

    python loop.py NAME convert MODEL TARGET FORMAT
    python loop.py NAME serve FILES FORMAT THREADS

To serve is to answer lines of JSON on standard input, [method, arguments…], each with one on standard output:
{"result": …} or {"error": "…"}. A module with_NAME.py has `convert(model, target, kind)`, which writes files, and a
class `Driver(files, kind, threads)` with

    describe()              versions, by package
    prefill(tokens)         seconds until the scores after a prompt are there
    prepare(rows)           begin so many sequences with these prompts
    steps(count)            seconds of each of so many steps, in which every sequence gets a token
    serve(load)             of each request [arrival in seconds, tokens, output tokens] when its first and last tokens
                            came, in seconds after the load began, and how many came

describe and whichever of the others are measured of it.
"""

import importlib
import json
import os
import sys
from typing import Any


def main(name: str, command: str, *arguments: str) -> None:
    """What the command line says."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to the log
    module = importlib.import_module(f"with_{name}")
    if command == "convert":
        module.convert(*arguments)
        return
    files, kind, threads = arguments
    driver = _attempt(answers, module.Driver, files, kind, int(threads))
    for line in sys.stdin if driver is not None else ():
        method, *given = json.loads(line)
        _attempt(answers, getattr(driver, method), *given)


def _attempt(answers: Any, function: Any, *given: Any) -> Any:
    try:
        result = function(*given)
    except Exception as error:
        print(json.dumps({"error": " ".join(f"{type(error).__name__}: {error}".split())}), file=answers)
        raise
    print(json.dumps({"result": result if isinstance(result, list | dict | float) else None}), file=answers)
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
