"""Packed weights of models that were served before, below the user's cache directory.

An entry is a file. Its name follows from the model's files (path, size, time of change, header), its config.json, the
number format, the quantization and the layout of packed weights, so weights that change are packed anew. Entries
that were not used for longest make room for new ones.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO, NamedTuple, Self, cast

from weft.contracts.errors import ConfigurationError
from weft.contracts.places import cache_directory
from weft.model_specs.gguf_header import is_gguf
from weft.weights.checkpoint_files import open_checkpoint
from weft.weights.packed import LAYOUT_VERSION
from weft.weights.packed_index import FILE_VERSION, PackedFileError, read_index

LIMIT_VARIABLE = "WEFT_CACHE_LIMIT_BYTES"
"""Environment variable: how large all entries together may be; 0 keeps none."""
LIMIT_BYTES = 64 << 30
SUFFIX, PARTIAL = ".weft", ".partial"
VERSION_CHARACTERS = 16
"""Of an entry's name, that tell the weights' versions apart."""
MOST_HEADER_BYTES = 100_000_000
"""What the library of the format allows."""
ABANDONED_S = 86_400.0
"""What nobody has written to for so long was left over by a process that ended."""


class Entry(NamedTuple):
    """One file of the cache. `used_s`: when it was last opened, seconds since 1970."""

    path: Path
    num_bytes: int
    used_s: float

    def describe(self) -> tuple[str, str, str]:
        """Model, quantization and number format; unknown ones are empty."""
        try:
            index, _ = read_index(self.path)
        except (PackedFileError, FileNotFoundError):
            return "", "", ""
        return index.model, index.quantization, index.dtype


class PackedCache:
    """The entries of a directory, of at most `limit_bytes` together."""

    def __init__(self, directory: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.directory, self.limit_bytes = directory, limit_bytes

    @classmethod
    def of_user(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Raises `ConfigurationError` where the environment's limit is no number, `OSError` without a home."""
        given = environment.get(LIMIT_VARIABLE) or str(LIMIT_BYTES)
        if not given.isdecimal():
            raise ConfigurationError(f"{LIMIT_VARIABLE} is {given!r}; give a number of bytes, or 0")
        try:
            return cls(cache_directory(environment) / "packed", int(given))
        except RuntimeError as error:
            raise FileNotFoundError(str(error)) from error

    def place(self, directory: Path, dtype: str, kind: str) -> Path:
        """Where the weights of a model directory would be. Raises `ConfigurationError` where it has none."""
        return self.directory / f"{_stem(directory, dtype, kind)}{_version(directory)}{SUFFIX}"

    def entries(self) -> list[Entry]:
        """All that there are, the one last used first."""
        found = [_entry(path) for path in self._files(SUFFIX)]
        return sorted((entry for entry in found if entry is not None), key=lambda entry: -entry.used_s)

    def used(self, path: Path) -> None:
        """Remember that an entry was of use."""
        with suppress(OSError):
            os.utime(path)

    @contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """A file that becomes the entry at the end, in one go, and takes the place of those of the same model that
        are out of date. Raises `OSError` where it cannot be written."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.directory, suffix=PARTIAL, delete=False) as file:
            try:
                yield cast(BinaryIO, file)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                _remove(Path(file.name))
                raise
        self._trim(path)

    def clear(self) -> list[Entry]:
        """Remove everything; what was there. Processes that serve one of them keep what they have mapped."""
        entries = self.entries()
        for path in [*self._files(SUFFIX), *self._files(PARTIAL)]:
            _remove(path)
        return entries

    def _trim(self, newest: Path) -> None:
        """Remove what the new entry replaces, and what is too much, oldest first."""
        now_s, left = newest.stat().st_mtime, self.limit_bytes
        stem = newest.name[: -len(SUFFIX) - VERSION_CHARACTERS]
        for entry in self.entries():
            left -= entry.num_bytes
            replaced = entry.path.name.startswith(stem)
            if entry.path != newest and (replaced or left < 0):
                _remove(entry.path)
        for path in self._files(PARTIAL):
            partial = _entry(path)
            if partial is not None and now_s - partial.used_s > ABANDONED_S:
                _remove(path)

    def _files(self, suffix: str) -> list[Path]:
        try:
            return [path for path in self.directory.iterdir() if path.suffix == suffix]
        except OSError:
            return []


def _stem(directory: Path, dtype: str, kind: str) -> str:
    """The same for all versions of a model."""
    place = _digest(str(directory.resolve()))[:8]
    name = "".join(each if each.isalnum() or each in "-_." else "_" for each in directory.resolve().name)
    return f"{name[:40]}-{place}-{dtype}-{kind}-{FILE_VERSION}.{LAYOUT_VERSION}-"


def _version(directory: Path) -> str:
    paths = dict.fromkeys(file.path for file in open_checkpoint(directory).values())
    try:
        files = [_identity(path) for path in paths]
        config = "" if is_gguf(directory) else _digest((directory / "config.json").read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{directory} cannot be read: {error.strerror}; check its files") from error
    return _digest(json.dumps([config, files]))[:VERSION_CHARACTERS]


def _identity(path: Path) -> list[Any]:
    """What changes when a file of weights does."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        header = file.read(min(int.from_bytes(file.read(8), "little"), MOST_HEADER_BYTES))
    return [str(path.resolve()), stat.st_size, stat.st_mtime_ns, _digest(header)]


def _digest(text: str | bytes) -> str:
    return blake2b(text.encode() if isinstance(text, str) else text, digest_size=16).hexdigest()


def _entry(path: Path) -> Entry | None:
    """None where somebody else has removed it."""
    with suppress(OSError):
        stat = path.stat()
        return Entry(path, stat.st_size, stat.st_mtime)
    return None


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
