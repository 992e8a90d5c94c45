"""Reading the files that come with a model: what is wrong in one becomes one line that names it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.contracts.errors import ConfigurationError, WeftError

_ADVICE = "download it again, or name another"


@contextmanager
def reading(path: Path, what: str, advice: str = _ADVICE) -> Iterator[None]:
    """Turns whatever goes wrong while this file is read into a ConfigurationError.

    `what` says what the file should be ("a tokenizer"); `advice` says what to do.
    """
    try:
        yield
    except WeftError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        problem = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConfigurationError(f"{path} is not {what} that can be read: {problem}; {advice}") from None


def read_text(path: Path, what: str) -> str:
    """The file's text. Raises ConfigurationError where it cannot be read or is not UTF-8."""
    with reading(path, what):
        return path.read_text(encoding="utf-8")


def read_object(path: Path, what: str) -> dict[str, object]:
    """The JSON object in this file. Raises ConfigurationError for anything else."""
    with reading(path, what):
        value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise ConfigurationError(f"{path} holds a JSON {kind}; {what} is a JSON object: {_ADVICE}")
    return value


def read_object_if_there(path: Path, what: str) -> dict[str, object]:
    """The JSON object in this file, or an empty one where there is no such file."""
    return read_object(path, what) if path.is_file() else {}
