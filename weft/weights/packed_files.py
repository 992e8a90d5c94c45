"""Packed weights from a file, mapped into memory: processes that serve the same model share its pages."""

import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from weft.contracts.options import NO_QUANTIZATION, PACKED_QUANTIZATIONS
from weft.weights.linear import Linear, Table
from weft.weights.messages import clipped, quoted
from weft.weights.packed import COLUMNS, PackedLinear
from weft.weights.packed_index import (
    CHUNK_BYTES,
    PAGE_BYTES,
    Array,
    PackedFileError,
    read_index,
)
from weft.weights.packed_writer import layer_name
from weft.weights.packing import kind_of, pack, packed_kind
from weft.weights.source import WeightSource

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
"""Of what is not packed."""


class PackedFile(WeightSource):
    """Weights of a file that `PackedWriter` wrote. Opening it reads all of it once and compares the checksums, with as
    many threads as there are processors; tensors are views of the mapped file and stay the same if it is replaced.

    `kind`: one of `QUANTIZATIONS`, whose weights these must be; None: what the file says. What a model asks for must be
    there in the shape that packing would give it: no number of the file is used as a length. Raises `PackedFileError`
    for whatever is not so, and `FileNotFoundError` where there is no file.
    """

    def __init__(self, path: Path, kind: str | None = None) -> None:
        self.path, self.device = path, torch.device("cpu")
        self.index, end = read_index(path)
        if self.index.dtype not in DTYPES or self.index.quantization not in PACKED_QUANTIZATIONS:
            raise PackedFileError(
                f"{path} is damaged: {quoted(self.index.dtype)}, {quoted(self.index.quantization)}"
            )
        self.dtype, self.quantization = DTYPES[self.index.dtype], kind or self.index.quantization
        if packed_kind(self.quantization) != self.index.quantization:
            raise self._foreign(f"it asks for {self.quantization}, and this is {self.index.quantization}")
        self._mapped = _mapped(path)
        _check(path, memoryview(self._mapped)[PAGE_BYTES:end], self.index.checksums)
        self._unread = dict.fromkeys(self.index.arrays)
        self._templates: dict[tuple[int, str], PackedLinear] = {}

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name."""
        return self._array(name, shape, self.dtype)

    def finish(self, tied: Mapping[str, str] | None = None) -> None:
        """Raises `PackedFileError` where the model has not asked for everything."""
        if self._unread:
            raise self._foreign(f"it does not ask for {quoted(next(iter(self._unread)))}")

    def linear(
        self,
        names: Sequence[str],
        out_features: Sequence[int],
        in_features: int,
        *,
        bias: bool = False,
        order_O: Tensor | None = None,
    ) -> Linear:
        """A layer as it was written."""
        kind = kind_of(names, self.quantization)
        return self._layer(layer_name(names, order_O), sum(out_features), in_features, kind, bias=bias)

    def tied(self, name: str, shape: tuple[int, int]) -> tuple[Table, Linear]:
        """As it was written: a layer that keeps its numbers is the table, too."""
        head = self._layer(layer_name([name]), *shape, self.quantization, bias=False)
        return (head if self.quantization == NO_QUANTIZATION else self.read(name, shape)), head

    def _layer(self, name: str, outputs: int, inputs: int, kind: str, *, bias: bool) -> Linear:
        template, times = self._template(inputs, kind), -(-outputs // COLUMNS)
        parts = {
            part: self._array(f"{name}.{part}", (len(one) * times, *one.shape[1:]), one.dtype)
            for part, one in template.parts.items()
        }
        bias_O = self._array(f"{name}.bias", (outputs,), torch.float32) if bias else None
        return template.of_parts(outputs, inputs, bias_O, parts)

    def _template(self, inputs: int, kind: str) -> PackedLinear:
        """A layer of one block."""
        if (inputs, kind) not in self._templates:
            zeros_OI = torch.zeros(COLUMNS, inputs, dtype=self.dtype)
            self._templates[inputs, kind] = pack(zeros_OI, None, kind)
        return self._templates[inputs, kind]

    def _array(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        array = self.index.arrays.get(name)
        if array is None:
            raise self._foreign(f"it asks for {quoted(name)}")
        wanted = Array(str(dtype).removeprefix("torch."), tuple(shape), array.offset)
        if array != wanted:
            raise self._foreign(f"it asks for {quoted(name)} as {wanted.dtype} {list(wanted.shape)}")
        self._unread.pop(name, None)
        if not array.num_bytes:
            return torch.empty(shape, dtype=dtype)
        count = array.num_bytes // dtype.itemsize
        return torch.frombuffer(self._mapped, dtype=dtype, count=count, offset=array.offset).view(shape)

    def _foreign(self, problem: str) -> PackedFileError:
        return PackedFileError(f"{self.path} was made for another model or by another Weft: {problem}")


def _mapped(path: Path) -> mmap.mmap:
    """Writable for torch's sake, and private: what would be written would not reach the file."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise PackedFileError(f"{path} cannot be mapped: {clipped(str(error))}") from error
    mapped.madvise(mmap.MADV_WILLNEED)
    return mapped


def _check(path: Path, data: memoryview, checksums: Sequence[int]) -> None:
    chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "weft-checksums") as threads:
        if list(threads.map(zlib.crc32, chunks)) != list(checksums):
            raise PackedFileError(f"{path} is damaged: its checksums differ")
