"""GGUF files, written by the description of the format."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Stored(NamedTuple):
    """A tensor: sizes with the fastest last, ggml's number of its type, and its bytes."""

    shape: tuple[int, ...]
    type_number: int
    content: bytes


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def write(
    path: Path, tensors: Mapping[str, Stored], values: Mapping[str, bytes] | None = None, alignment: int = 32
) -> Path:
    """`values`: each as the bytes of its type and content."""
    values = dict(values or {})
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for name, value in values.items():
        start += text(name) + value
    offset, data = 0, b""
    for name, (shape, type_number, content) in tensors.items():
        start += text(name) + struct.pack("<I", len(shape))
        start += struct.pack(f"<{len(shape)}QIQ", *reversed(shape), type_number, offset)
        data += content + bytes(-len(content) % alignment)
        offset = len(data)
    path.write_bytes(start + bytes(-len(start) % alignment) + data)
    return path
