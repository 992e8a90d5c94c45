"""Tensors of a GGUF file by name: floats as they are, Q4_0 and Q8_0 as integers.

Names and the order of rows are the file's own. What converts Llama models to GGUF puts the rows of query and key
projections in another order than Hugging Face has them (pairs of a rotation side by side); this module leaves them so.
"""

import mmap
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.gguf_blocks import BLOCK_BYTES, BLOCK_WEIGHTS, quantised_blocks
from weft.weights.gguf_header import TensorInfo, Value, read_header
from weft.weights.messages import clipped, quoted
from weft.weights.packed import Quantised


class _Type(NamedTuple):
    """How numbers are stored: as a format of torch, or in blocks of so many bits each."""

    name: str
    dtype: torch.dtype | None = None
    num_bits: int = 0

    def num_bytes(self, shape: tuple[int, ...]) -> int:
        if self.dtype is not None:
            return prod(shape) * self.dtype.itemsize
        return prod(shape) // BLOCK_WEIGHTS * BLOCK_BYTES[self.num_bits]


TYPES = {
    0: _Type("F32", torch.float32),
    1: _Type("F16", torch.float16),
    2: _Type("Q4_0", num_bits=4),
    8: _Type("Q8_0", num_bits=8),
    30: _Type("BF16", torch.bfloat16),
}
"""By the numbers that ggml knows them by."""


class GgufFile:
    """A GGUF file of version 2 or 3, mapped into memory. Raises `ConfigurationError` where it cannot be read, is
    damaged, or is of another version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = _mapped(path)
        header = read_header(self._bytes, path)
        self.metadata: Mapping[str, Value] = header.metadata
        self._infos, self._start = header.tensors, header.data_start

    @property
    def names(self) -> Sequence[str]:
        return list(self._infos)

    def shape(self, name: str) -> tuple[int, ...]:
        """Outputs before inputs, as everywhere here; the file has them the other way round."""
        return self._info(name).shape

    def type_name(self, name: str) -> str:
        """F32, F16, BF16, Q4_0 or Q8_0. Raises `ConfigurationError` for any other."""
        return self._type(name).name

    def read(self, name: str) -> Tensor:
        """A tensor of floats, as stored. Raises `ConfigurationError` for one in blocks."""
        kind = self._type(name)
        if kind.dtype is None:
            raise ConfigurationError(
                f"{self.path}: tensor {quoted(name)} is stored as {kind.name}, not as floats"
            )
        return self._stored(name).view(kind.dtype).view(self.shape(name))

    def quantised(self, name: str) -> Quantised:
        """A matrix in blocks, as integers. Raises `ConfigurationError` for one of floats."""
        kind, shape = self._type(name), self.shape(name)
        if not kind.num_bits or len(shape) != 2 or shape[1] % BLOCK_WEIGHTS:
            raise ConfigurationError(
                f"{self.path}: tensor {quoted(name)} is stored as {kind.name} of shape {list(shape)}, "
                "not as a matrix in blocks"
            )
        try:
            return quantised_blocks(self._stored(name).view(shape[0], -1), kind.num_bits)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.path}: tensor {quoted(name)}: {error}") from error

    def _info(self, name: str) -> TensorInfo:
        info = self._infos.get(name)
        if info is None:
            raise ConfigurationError(
                f"{self.path} has no tensor {quoted(name)}; it has {len(self._infos)} others"
            )
        return info

    def _type(self, name: str) -> _Type:
        number = self._info(name).type_number
        if number not in TYPES:
            raise ConfigurationError(
                f"{self.path}: tensor {quoted(name)} is of ggml's type {number}, which Weft does not read; "
                f"use a file in one of {', '.join(kind.name for kind in TYPES.values())}"
            )
        return TYPES[number]

    def _stored(self, name: str) -> Tensor:
        """A copy of the tensor's bytes."""
        info = self._info(name)
        start, size = self._start + info.offset, self._type(name).num_bytes(info.shape)
        if start + size > len(self._bytes):
            raise ConfigurationError(
                f"{self.path} ({len(self._bytes)} bytes) is truncated: tensor {quoted(name)} ends at byte "
                f"{start + size}; download or copy it again"
            )
        return torch.frombuffer(bytearray(self._bytes[start : start + size]), dtype=torch.uint8)


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {clipped(str(error))}; check the file") from error
