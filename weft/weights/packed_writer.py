"""Writing a file of packed weights: a model is made of shapes alone, and what it asks for is packed and written."""

import ctypes
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

import torch
from torch import Tensor

from weft.weights.linear import Linear, Table
from weft.weights.packed import PackedLinear
from weft.weights.packed_index import CHUNK_BYTES, PAGE_BYTES, Array, PackedIndex, preamble
from weft.weights.packing import PackedWeights, packed_kind
from weft.weights.source import WeightSource


class PackedWriter(WeightSource):
    """Gives tensors on the meta device, and writes what `source` has for them to `file`, one after the other: memory
    holds one layer at a time. `tell`: called with the numbers of each tensor once they are written.

    The file is whole after `close`. Raises `OSError` where it cannot be written.
    """

    def __init__(
        self,
        source: PackedWeights,
        file: BinaryIO,
        model: str,
        tell: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.dtype, self.device = source.dtype, torch.device("meta")
        self._source, self._model, self._tell = source, model, tell
        self._arrays: dict[str, Array] = {}
        self._stream = _CheckedStream(file)

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """An empty tensor of that shape."""
        return self._put_tensor(name, self._source.read(name, shape))

    def finish(self, tied: Mapping[str, str] | None = None) -> None:
        """As of the source."""
        self._source.finish(tied)

    def linear(
        self,
        names: Sequence[str],
        out_features: Sequence[int],
        in_features: int,
        *,
        bias: bool = False,
        order_O: Tensor | None = None,
    ) -> Linear:
        """A layer of that shape."""
        made = self._source.linear(names, out_features, in_features, bias=bias, order_O=order_O)
        return self._put_layer(layer_name(names, order_O), made)

    def tied(self, name: str, shape: tuple[int, int]) -> tuple[Table, Linear]:
        """An empty tensor and a layer of that shape. The tensor is written where the layer does not stand for it."""
        table, head = self._source.tied(name, shape)
        empty = self._put_layer(layer_name([name]), head)
        return (self._put_tensor(name, table) if isinstance(table, Tensor) else empty.weight_OI), empty

    def close(self) -> None:
        """Write what tells of the arrays."""
        checksums = self._stream.finish()
        kind, dtype = packed_kind(self._source.kind), str(self.dtype).removeprefix("torch.")
        index = PackedIndex(dtype, kind, self._model, self._arrays, checksums).as_bytes()
        file, offset = self._stream.file, self._stream.offset
        file.write(index)
        file.seek(0)
        file.write(preamble(index, offset))
        file.flush()

    def _put_tensor(self, name: str, tensor: Tensor) -> Tensor:
        self._put(name, tensor)
        self._tell(tensor.numel())
        return torch.empty(tensor.shape, dtype=self.dtype, device=self.device)

    def _put_layer(self, name: str, made: PackedLinear) -> Linear:
        for part, tensor in made.parts.items():
            self._put(f"{name}.{part}", tensor)
        if made.bias_O is not None:
            self._put(f"{name}.bias", made.bias_O)
        empty_OI = torch.empty(made.weight_OI.shape, dtype=self.dtype, device=self.device)
        self._tell(empty_OI.numel())
        return Linear(empty_OI, None if made.bias_O is None else made.bias_O.to("meta"))

    def _put(self, name: str, tensor: Tensor) -> None:
        self._stream.align()
        dtype = str(tensor.dtype).removeprefix("torch.")
        self._arrays[name] = Array(dtype, tuple(tensor.shape), self._stream.offset)
        self._stream.write(_bytes_of(tensor.contiguous()))


def layer_name(names: Sequence[str], order_O: Tensor | None = None) -> str:
    """What layers that are one are called in a file; of a tensor that is used as a layer too, its own name. Another
    order of outputs is another layer."""
    joined = "+".join(names)
    return joined if order_O is None else f"{joined} in order {zlib.crc32(_bytes_of(order_O.cpu())):08x}"


class _CheckedStream:
    """Bytes from the second page of a file on; chunk by chunk their checksums."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.offset = file, PAGE_BYTES
        self._sums: list[int] = []
        self._sum = 0
        file.write(bytes(PAGE_BYTES))

    def align(self) -> None:
        """Go on with a new page."""
        self.write(memoryview(bytes(-self.offset % PAGE_BYTES)))

    def write(self, data: memoryview) -> None:
        """Append."""
        self.file.write(data)
        while data:
            room = CHUNK_BYTES - (self.offset - PAGE_BYTES) % CHUNK_BYTES
            now, data = data[:room], data[room:]
            self._sum = zlib.crc32(now, self._sum)
            self.offset += len(now)
            if len(now) == room:
                self._close_chunk()

    def finish(self) -> list[int]:
        """The checksums of all chunks."""
        if (self.offset - PAGE_BYTES) % CHUNK_BYTES:
            self._close_chunk()
        return self._sums

    def _close_chunk(self) -> None:
        self._sums.append(self._sum)
        self._sum = 0


def _bytes_of(tensor: Tensor) -> memoryview:
    """Valid as long as the tensor is."""
    return memoryview((ctypes.c_ubyte * tensor.nbytes).from_address(tensor.data_ptr())).cast("B")
