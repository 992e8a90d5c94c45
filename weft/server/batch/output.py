"""The file that the answers of a batch go to: written line by line, so that a run that ends early can go on."""

import json
from io import FileIO
from pathlib import Path

from weft.contracts.errors import ConfigurationError


def open_output(path: Path, *, resume: bool) -> FileIO:
    """The file, to be written from its end on, unbuffered: each line is one write.

    Raises `ConfigurationError` where it exists and is not to be resumed, or cannot be written.
    """
    try:
        return path.open("ab" if resume else "xb", buffering=0)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists; go on with it by --resume, or name another file") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written ({error.strerror}); name another file") from None


def answered_ids(path: Path) -> set[str]:
    """The `custom_id` of every line; a last one that is not complete is cut off. No file: nothing.

    Raises `ConfigurationError` for a line that is no answer.
    """
    answered: set[str] = set()
    if not path.exists():
        return answered
    with path.open("rb+") as file:
        whole_bytes = 0
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                break
            answered.add(_custom_id(path, number, raw))
            whole_bytes += len(raw)
        file.truncate(whole_bytes)
    return answered


def _custom_id(path: Path, number: int, raw: bytes) -> str:
    try:
        custom_id = json.loads(raw)["custom_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        custom_id = None
    if not isinstance(custom_id, str):
        raise ConfigurationError(
            f"{path} line {number} is no answer of a batch; name another file, or mend it"
        )
    return custom_id


def write_line(file: FileIO, line: bytes) -> None:
    """All of a line, also where the system takes it in pieces."""
    view = memoryview(line)
    while view:
        view = view[file.write(view) :]
