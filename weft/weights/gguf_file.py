"""Tensors of a GGUF file by name: floats as they are, Q4_0 and Q8_0 as blocks of integers too.

Names and the order of rows are the file's own; see `weft.weights.gguf_tensors` for those of Hugging Face.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.model_specs.gguf_header import Header, TensorInfo, open_gguf
from weft.weights.gguf_blocks import (
    BLOCK_BYTES,
    BLOCK_WEIGHTS,
    K_BLOCK_BYTES,
    K_BLOCK_WEIGHTS,
    Blocks,
    floats_of_blocks,
    floats_of_q6_k,
)
from weft.weights.messages import quoted

SLICE_BYTES = 1 << 22
"""About so many become floats at once."""


@dataclass(frozen=True, slots=True)
class Format:
    """How numbers are stored: `block_bytes` for every `block_weights` inputs of an output. `floats`: of rows of bytes.
    `num_bits`: of the integers that can be packed as they are; 0: none."""

    name: str
    block_weights: int
    block_bytes: int
    floats: Callable[[Tensor], Tensor]
    num_bits: int = 0


def _plain(name: str, dtype: torch.dtype) -> Format:
    return Format(name, 1, dtype.itemsize, lambda bytes_OB: bytes_OB.view(dtype))


def _blocks(name: str, num_bits: int) -> Format:
    return Format(
        name, BLOCK_WEIGHTS, BLOCK_BYTES[num_bits], lambda rows: floats_of_blocks(rows, num_bits), num_bits
    )


FORMATS = {
    0: _plain("F32", torch.float32),
    1: _plain("F16", torch.float16),
    2: _blocks("Q4_0", 4),
    8: _blocks("Q8_0", 8),
    14: Format("Q6_K", K_BLOCK_WEIGHTS, K_BLOCK_BYTES, floats_of_q6_k),
    30: _plain("BF16", torch.bfloat16),
}
"""By the numbers that ggml knows them by."""

_NAMES = """
F32 F16 Q4_0 Q4_1 ? ? Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ2_S
IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 ? ? ? TQ1_0 TQ2_0 ? ? ? MXFP4
"""
NAMES = tuple(_NAMES.split())
"""What ggml calls its numbers from 0 on, so that those that are not read can be named, too."""


class GgufFile:
    """A GGUF file of version 2 or 3, mapped into memory. Raises `ConfigurationError` where it cannot be read, is
    damaged or of another version, or has a tensor that it does not hold whole or in none of `FORMATS`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Header
        self.header, self._bytes = open_gguf(path)
        for name, info in self.header.tensors.items():
            self._check(name, info)

    @property
    def names(self) -> Sequence[str]:
        return list(self.header.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Outputs before inputs, as everywhere here; the file has them the other way round."""
        return self._info(name).shape

    def format(self, name: str) -> Format:
        """One of `FORMATS`."""
        return FORMATS[self._info(name).type_number]

    def rows(self, name: str) -> Tensor:
        """A tensor's bytes, a row of inputs each: uint8 [rows, bytes], a view of the mapped file. Of one
        dimension, each number is a row."""
        info = self._info(name)
        start = self.header.data_start + info.offset
        stored = torch.frombuffer(self._bytes, dtype=torch.uint8, count=self._size(info), offset=start)
        return stored.view(prod(info.shape[:-1]) if len(info.shape) > 1 else info.shape[0], -1)

    def floats(self, name: str, rows: Tensor | slice = slice(None)) -> Iterator[Tensor]:
        """Rows of a tensor, some at a time, as stored or as what their blocks stand for: [rows, inputs]. Raises
        `ConfigurationError` where these are damaged."""
        chosen, kind = self.rows(name)[rows], self.format(name)
        for some in torch.split(chosen, max(1, SLICE_BYTES // chosen.shape[1])):
            try:
                yield kind.floats(some)
            except ConfigurationError as error:
                raise ConfigurationError(f"{self.path}: tensor {quoted(name)}: {error}") from error

    def blocks(self, name: str, rows: Tensor | slice = slice(None)) -> Blocks | None:
        """Rows of a matrix whose blocks can be packed as they are; None for one of another format."""
        kind = self.format(name)
        return Blocks(self.rows(name)[rows], kind.num_bits) if kind.num_bits else None

    def _info(self, name: str) -> TensorInfo:
        info = self.header.tensors.get(name)
        if info is None:
            raise ConfigurationError(
                f"{self.path} has no tensor {quoted(name)}; it has {len(self.header.tensors)} others"
            )
        return info

    def _check(self, name: str, info: TensorInfo) -> None:
        what, number = f"{self.path}: tensor {quoted(name)}", info.type_number
        if number not in FORMATS:
            kind = NAMES[number] if number < len(NAMES) else f"ggml's type {number}"
            raise ConfigurationError(
                f"{what} is stored as {kind}, which Weft does not read; use a file in "
                f"{', '.join(known.name for known in FORMATS.values())}"
            )
        in_block = FORMATS[number].block_weights
        is_matrix = len(info.shape) > 1 or in_block == 1
        if not info.shape or 0 in info.shape or info.shape[-1] % in_block or not is_matrix:
            raise ConfigurationError(
                f"{what} is said to be {FORMATS[number].name} of shape {list(info.shape)}; the file is damaged"
            )
        end = self.header.data_start + info.offset + self._size(info)
        if end > len(self._bytes):
            raise ConfigurationError(
                f"{self.path} ({len(self._bytes)} bytes) is truncated: tensor {quoted(name)} ends at byte {end}; "
                "download or copy it again"
            )

    @staticmethod
    def _size(info: TensorInfo) -> int:
        kind = FORMATS[info.type_number]
        return prod(info.shape) // kind.block_weights * kind.block_bytes
