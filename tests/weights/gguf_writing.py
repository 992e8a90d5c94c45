"""GGUF files, written by the description of the format."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

FORMATS = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "BF16": 30}
"""ggml's numbers."""
FLOATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Stored(NamedTuple):
    """A tensor: sizes with the fastest last, ggml's number of its type, and its bytes."""

    shape: tuple[int, ...]
    type_number: int
    content: bytes


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(content: object) -> bytes:
    """A value as the bytes of its type and content: texts, truths, whole numbers from 0 on, floats, and lists of one
    kind."""
    if isinstance(content, Sequence) and not isinstance(content, str):
        items = [value(each) for each in content]
        kind = items[0][:4] if items else struct.pack("<I", 4)
        return (
            struct.pack("<I", 9) + kind + struct.pack("<Q", len(items)) + b"".join(each[4:] for each in items)
        )
    if isinstance(content, str):
        return struct.pack("<I", 8) + text(content)
    if isinstance(content, bool):
        return struct.pack("<I?", 7, content)
    if isinstance(content, int):
        return struct.pack("<II", 4, content)
    assert isinstance(content, float)
    return struct.pack("<If", 6, content)


def stored(values: Tensor, format: str) -> Stored:
    """A tensor in one of `FORMATS`; one dimension is never in blocks, as wherever such files are written."""
    format = format if values.dim() > 1 or format in FLOATS else "F32"
    shape, number = tuple(values.shape), FORMATS[format]
    if format in FLOATS:
        content = values.to(FLOATS[format]).contiguous().flatten().view(torch.uint8)
    else:
        content = blocks(values.float().flatten(0, -2), format).flatten()
    return Stored(shape, number, bytes(content.tolist()))


def blocks(rows_OI: Tensor, format: str) -> Tensor:
    """Rows in Q8_0 or Q4_0: uint8 [O, bytes]."""
    groups_OGK = rows_OI.reshape(len(rows_OI), -1, 32)
    if format == "Q8_0":
        scales_OG1 = groups_OGK.abs().amax(2, keepdim=True) / 127
    else:
        peaks = groups_OGK.gather(2, groups_OGK.abs().argmax(2, keepdim=True))
        scales_OG1 = peaks / -8
    inverse = torch.where(scales_OG1 == 0, 0.0, 1 / scales_OG1)
    if format == "Q8_0":
        content = (groups_OGK * inverse).round().to(torch.int8).view(torch.uint8)
    else:
        numbers = (groups_OGK * inverse + 8.5).to(torch.int64).clamp(0, 15).to(torch.uint8)
        content = numbers[..., :16] | numbers[..., 16:] << 4
    return torch.cat([scales_OG1.half().view(torch.uint8), content], 2).flatten(1)


def write(
    path: Path, tensors: Mapping[str, Stored], values: Mapping[str, bytes] | None = None, alignment: int = 32
) -> Path:
    """`values`: each as the bytes of its type and content."""
    values = dict(values or {})
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for name, each in values.items():
        start += text(name) + each
    offset, data = 0, b""
    for name, (shape, type_number, content) in tensors.items():
        start += text(name) + struct.pack("<I", len(shape))
        start += struct.pack(f"<{len(shape)}QIQ", *reversed(shape), type_number, offset)
        data += content + bytes(-len(content) % alignment)
        offset = len(data)
    path.write_bytes(start + bytes(-len(start) % alignment) + data)
    return path
