"""Opening a file that may be compressed."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import TextIO

from weft.workloads.errors import TraceError

COMPRESSIONS = (".gz", ".zst")
_LARGEST_WINDOW = 2**31
"""In bytes; files written with zstd's --long=31 need it."""


def suffix(path: Path) -> str:
    """What kind of file it is, its compression aside: ".csv" for "trace.CSV.gz"."""
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
    return plain.suffix.lower()


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """The file as UTF-8 text, uncompressed on the way; whatever is wrong with it raises `TraceError`."""
    broken = _signs_of_damage(path)
    try:
        with _opened(path) as text:
            yield text
    except UnicodeDecodeError as error:
        raise TraceError(path, f"it is not UTF-8 text ({error.reason}); convert it") from None
    except broken as error:
        raise TraceError(path, f"it cannot be uncompressed ({error}); fetch it again") from None
    except OSError as error:
        raise TraceError(path, f"it cannot be read ({error.strerror or error}); check the path") from None


def _opened(path: Path) -> TextIO:
    kind = path.suffix.lower()
    if kind == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    if kind == ".zst":
        zstandard = optional_module(path, "zstandard")
        reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )
        return TextIOWrapper(reader, encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _signs_of_damage(path: Path) -> tuple[type[Exception], ...]:
    if path.suffix.lower() == ".zst":
        return (EOFError, optional_module(path, "zstandard").ZstdError)
    return (EOFError, gzip.BadGzipFile, zlib.error)


def optional_module(path: Path, name: str) -> ModuleType:
    """A package that only some files need; `TraceError` tells how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        package = name.split(".")[0]
        advice = f"reading it needs {package}; run pip install 'weft[traces]' (or pip install {package})"
        raise TraceError(path, advice) from None
