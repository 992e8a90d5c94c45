"""The beginning and the end of a file of packed weights: what it is, where its arrays lie, and what they add up to.

preamble, 64 bytes   magic, version of the file, version of the layout, where the index is, its digest
arrays               from byte 4096 on, each from a multiple of 4096 on, so that mapped ones begin with a page
index                JSON: number format, quantization, arrays by name, a CRC-32 of each chunk of what is before it
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.weights.messages import clipped
from weft.weights.packed import LAYOUT_VERSION

MAGIC = b"WEFTPACK"
FILE_VERSION = 3
"""1: experts unpacked, those of a layer as one array. 2: a table that is also a layer twice, also where it keeps its
numbers."""
PREAMBLE = struct.Struct("<8sIIQQ32s")
PAGE_BYTES = 4096
CHUNK_BYTES = 1 << 23
MOST_INDEX_BYTES = 1 << 28
"""A thousand times that of a model of 80 layers; keeps a wrong number from filling the memory."""
ITEM_BYTES = {"uint8": 1, "int8": 1, "float16": 2, "bfloat16": 2, "int32": 4, "float32": 4}
"""Number formats of arrays, as torch calls them."""


class PackedFileError(ConfigurationError):
    """A file of packed weights cannot be used: it is damaged, or of another version or model."""


class Array(NamedTuple):
    """Where in the file an array lies. `dtype`: one of `ITEM_BYTES`."""

    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def num_bytes(self) -> int:
        """From `offset` on."""
        return ITEM_BYTES[self.dtype] * math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class PackedIndex:
    """`dtype`: of what is not packed, as torch calls it. `quantization`: one of `PACKED_QUANTIZATIONS`. `model`: a name
    for people. `checksums`: CRC-32 of the chunks of `CHUNK_BYTES` from the first page on to the index."""

    dtype: str
    quantization: str
    model: str
    arrays: Mapping[str, Array]
    checksums: Sequence[int]

    def as_bytes(self) -> bytes:
        """What `read_index` reads."""
        fields = {
            "dtype": self.dtype,
            "quantization": self.quantization,
            "model": self.model,
            "arrays": self.arrays,
            "checksums": list(self.checksums),
        }
        return json.dumps(fields).encode()


def preamble(index: bytes, offset: int) -> bytes:
    """Of a file whose index begins at `offset`."""
    start = PREAMBLE.pack(MAGIC, FILE_VERSION, LAYOUT_VERSION, offset, len(index), b"")
    return start[:-32] + _digest(start, index)


def read_index(path: Path) -> tuple[PackedIndex, int]:
    """The index, which has been checked against its digest and the file's size, and where it begins. Raises
    `PackedFileError`; `FileNotFoundError` where there is no such file."""
    try:
        with path.open("rb") as file:
            start = file.read(PREAMBLE.size)
            offset, num_bytes = _check_preamble(path, start)
            if path.stat().st_size != offset + num_bytes:
                raise PackedFileError(f"{path} is truncated or damaged: {offset + num_bytes} bytes are due")
            file.seek(offset)
            index = file.read(num_bytes)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(error)) from error
    except OSError as error:
        raise PackedFileError(f"{path} cannot be read: {clipped(str(error))}") from error
    if start[-32:] != _digest(start, index):
        raise PackedFileError(f"{path} is damaged: its index is not what was written")
    return _parsed(path, index, offset), offset


def _digest(start: bytes, index: bytes) -> bytes:
    return blake2b(start[:-32] + index, digest_size=32).digest()


def _check_preamble(path: Path, start: bytes) -> tuple[int, int]:
    """Where the index is, and its length."""
    if len(start) < PREAMBLE.size or not start.startswith(MAGIC):
        raise PackedFileError(f"{path} holds no packed weights")
    _, version, layout, offset, num_bytes, _ = PREAMBLE.unpack(start)
    if (version, layout) != (FILE_VERSION, LAYOUT_VERSION):
        raise PackedFileError(
            f"{path} is of version {version}.{layout}, and this Weft reads {FILE_VERSION}.{LAYOUT_VERSION}"
        )
    if num_bytes > MOST_INDEX_BYTES or offset < PAGE_BYTES:
        raise PackedFileError(f"{path} is damaged: its preamble makes no sense")
    return offset, num_bytes


def _parsed(path: Path, text: bytes, end: int) -> PackedIndex:
    try:
        fields = json.loads(text)
        arrays = {str(name): _array(*entry, end=end) for name, entry in fields["arrays"].items()}
        checksums = [int(each) for each in fields["checksums"]]
        dtype, kind, model = (str(fields[name]) for name in ("dtype", "quantization", "model"))
        if len(checksums) != -(-(end - PAGE_BYTES) // CHUNK_BYTES):
            raise ValueError(f"{len(checksums)} checksums")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise PackedFileError(f"{path} is damaged: {clipped(f'{type(error).__name__}: {error}')}") from error
    return PackedIndex(dtype, kind, model, arrays, checksums)


def _array(dtype: Any, shape: Any, offset: Any, *, end: int) -> Array:
    array = Array(dtype, tuple(shape), offset)
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in (*array.shape, array.offset)):
        raise ValueError(f"{array} is no array")
    if array.offset % PAGE_BYTES or array.offset < PAGE_BYTES or array.offset + array.num_bytes > end:
        raise ValueError(f"{array} does not lie in the file")
    return array
