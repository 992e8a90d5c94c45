"""The header of a GGUF file: what is told about the model, and where its tensors lie.

All numbers are little-endian: the magic, a version, how many tensors and how many values there are; each value as
name, type and content; each tensor as name, sizes (the fastest first), type and offset; then, from a multiple of the
alignment on, the tensors.
"""

import mmap
import struct
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import is_integer, show
from weft.model_specs.rope import as_float32

SUFFIX = ".gguf"
MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
LEAST_ALIGNMENT = 8
MOST_DIMENSIONS = 4
MOST_NESTED = 4
"""Arrays in arrays, beyond what anybody writes."""

Value = Any
"""A number, a truth, a text, or a list of such."""

SCALARS = {
    number: struct.Struct("<" + letter)
    for number, letter in enumerate(("B", "b", "H", "h", "I", "i", "f", "?", "", "", "Q", "q", "d"))
    if letter
}
"""By the number of the type."""
TEXT, ARRAY = 8, 9


class TensorInfo(NamedTuple):
    """`offset`: in bytes, from where tensors begin. `shape`: the fastest dimension last."""

    shape: tuple[int, ...]
    type_number: int
    offset: int


class Header(NamedTuple):
    """`data_start`: the byte of the file from which tensors' offsets count."""

    metadata: dict[str, Value]
    tensors: dict[str, TensorInfo]
    data_start: int


def is_gguf(path: Path) -> bool:
    """Whether a model is such a file, by its name."""
    return path.suffix.lower() == SUFFIX and not path.is_dir()


def open_gguf(path: Path) -> tuple[Header, mmap.mmap]:
    """The header of a file and the file itself, mapped into memory; what is written there does not reach it.

    Raises `ConfigurationError`, naming the path, for a file that cannot be read, is damaged, or of another kind or
    version.
    """
    try:
        with path.open("rb") as file:
            # Not read-only for the sake of who wraps it in tensors.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {show(str(error))}; check the file") from error
    return read_header(mapped, path), mapped


def decimal(value: float) -> float:
    """The shortest decimal number that as a float32 is this one: what was meant by it."""
    rounded = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((found for found in rounded if as_float32(found) == value), value)


class Bytes(Protocol):
    """What a header is read from."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


def read_header(stored: Bytes, path: Path) -> Header:
    """Raises `ConfigurationError`, naming the path, for a file that is damaged, or of another kind or version."""
    reader = _Reader(stored)
    try:
        return _read(reader, path)
    except (struct.error, EOFError, UnicodeDecodeError, KeyError) as error:
        raise ConfigurationError(
            f"{path} ({len(stored)} bytes) is truncated or damaged at byte {reader.at}: "
            f"{show(str(error))}; download or copy it again"
        ) from error


def _read(reader: "_Reader", path: Path) -> Header:
    if reader.take(len(MAGIC)) != MAGIC:
        raise ConfigurationError(f"{path} is not a GGUF file; check the path")
    version = reader.number("<I")
    if version not in VERSIONS:
        raise ConfigurationError(
            f"{path} is of GGUF version {version}, and Weft reads {VERSIONS[0]} and {VERSIONS[1]}; "
            "convert the model again"
        )
    num_tensors, num_values = reader.number("<Q"), reader.number("<Q")
    metadata = {reader.text(): reader.value() for _ in range(num_values)}
    tensors = {reader.text(): _read_info(reader) for _ in range(num_tensors)}
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not is_integer(alignment) or alignment < 1 or alignment % LEAST_ALIGNMENT:
        raise ConfigurationError(
            f"{path} says that tensors are aligned to {alignment!r} bytes; it is damaged"
        )
    for name, info in tensors.items():
        if info.offset % alignment:
            raise EOFError(f"tensor {name!r} is not aligned to {alignment} bytes")
    return Header(metadata, tensors, -(-reader.at // alignment) * alignment)


def _read_info(reader: "_Reader") -> TensorInfo:
    num_dimensions = reader.number("<I")
    if num_dimensions > MOST_DIMENSIONS:
        raise EOFError(f"a tensor of {num_dimensions} dimensions")
    sizes = [reader.number("<Q") for _ in range(num_dimensions)]
    return TensorInfo(tuple(reversed(sizes)), reader.number("<I"), reader.number("<Q"))


class _Reader:
    """Takes one thing after the other; raises `EOFError` at the end."""

    def __init__(self, stored: Bytes) -> None:
        self._stored, self._size = stored, len(stored)
        self.at = 0

    def take(self, size: int) -> bytes:
        if size > self._size - self.at:
            raise EOFError(f"{size} more bytes are said to follow")
        self.at += size
        return self._stored[self.at - size : self.at]

    def number(self, format: str) -> int:
        found: int = struct.unpack(format, self.take(struct.calcsize(format)))[0]
        return found

    def text(self) -> str:
        start, stored = self.at + 8, self._stored
        size = int.from_bytes(stored[start - 8 : start], "little")
        if start + size > self._size:
            raise EOFError(f"a text of {size} bytes is said to follow")
        self.at = start + size
        return stored[start : start + size].decode()

    def value(self) -> Value:
        return self._value_of(self.number("<I"), 0)

    def _value_of(self, kind: int, depth: int) -> Value:
        if kind == TEXT:
            return self.text()
        if kind == ARRAY and depth < MOST_NESTED:
            element, count = self.number("<I"), self.number("<Q")
            if count > len(self._stored) - self.at:
                raise EOFError(f"an array of {count} values")
            return self._values_of(element, count, depth + 1)
        if kind not in SCALARS:
            raise EOFError(f"a value of type {kind}")
        scalar = SCALARS[kind]
        return scalar.unpack(self.take(scalar.size))[0]

    def _values_of(self, kind: int, count: int, depth: int) -> list[Value]:
        """A vocabulary has some hundred thousand: scalars are taken at once."""
        if kind not in SCALARS:
            return [self._value_of(kind, depth) for _ in range(count)]
        scalar = SCALARS[kind]
        return list(struct.unpack(f"<{count}{scalar.format[1:]}", self.take(count * scalar.size)))
