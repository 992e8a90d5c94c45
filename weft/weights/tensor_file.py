"""One safetensors file, opened and checked: which tensors it holds, and each of them on request."""

import ctypes
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.gguf_blocks import Blocks
from weft.weights.messages import clipped, quoted

READABLE_FORMATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

# What `git clone` leaves in place of a large file where git-lfs is not installed.
LFS_POINTER_START = b"version https://git-lfs"

LEAST_RELEASED_BYTES = 1 << 20
"""Smaller tensors share most of their pages with others."""

_advise = ctypes.CDLL(None).madvise
_advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class _Entry(Protocol):
    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...


class _Handle(Protocol):
    def keys(self) -> list[str]: ...
    def get_slice(self, name: str) -> _Entry: ...
    def get_tensor(self, name: str) -> Tensor: ...


_open = cast(Callable[..., _Handle], safe_open)


class StoredTensors(Protocol):
    """A file of tensors. `path`: of the file, for complaints. Methods raise `ConfigurationError` where it is damaged or
    a tensor is in a format that is not read."""

    path: Path

    @property
    def names(self) -> Sequence[str]: ...

    def shape(self, name: str) -> tuple[int, ...]: ...

    def read(self, name: str) -> Tensor:
        """The tensor as stored, or what that stands for, on the CPU; it may be a view of the file."""
        ...

    def read_into(self, name: str, out: Tensor) -> None:
        """Convert the tensor to the format of `out`, without keeping any of it."""
        ...

    def blocks(self, name: str) -> Blocks | None:
        """A matrix of integers as it is stored, where it is one that can be packed so."""
        ...

    def check_format(self, name: str) -> None:
        """Whether the tensor could be read, by the file's header."""
        ...


class TensorFile:
    """A safetensors file, mapped into memory.

    Opening reads the header only; the library refuses headers whose shapes, formats and offsets do not tile the
    file exactly. Raises `ConfigurationError` where the file cannot be opened or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = _opened(path)

    @property
    def names(self) -> Sequence[str]:
        return self._handle.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._handle.get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        """The tensor as stored, on the CPU. It is a view of the mapped file: copy it to keep it.

        Raises `ConfigurationError` for a stored format other than `READABLE_FORMATS`.
        """
        self.check_format(name)
        try:
            return self._handle.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise _damaged(self.path, f"tensor {quoted(name)}: {error}") from error

    def read_into(self, name: str, out: Tensor) -> None:
        """Convert the tensor to the format of `out`. Raises as `read` does."""
        stored = self.read(name)
        out.copy_(stored)
        self.release(stored)

    def blocks(self, name: str) -> Blocks | None:
        """None: such files hold floats."""
        return None

    @staticmethod
    def release(tensor: Tensor) -> None:
        """Give back the memory that a tensor of `read` takes in this process: who looks at it again gets it from
        the file again."""
        first = tensor.data_ptr() // mmap.PAGESIZE * mmap.PAGESIZE
        if tensor.nbytes >= LEAST_RELEASED_BYTES:
            _advise(first, tensor.data_ptr() + tensor.nbytes - first, mmap.MADV_DONTNEED)

    def check_format(self, name: str) -> None:
        """Raises `ConfigurationError` for a tensor in a stored format other than `READABLE_FORMATS`."""
        stored = self._handle.get_slice(name).get_dtype()
        if stored not in READABLE_FORMATS:
            raise ConfigurationError(
                f"{self.path}: tensor {quoted(name)} is stored as {stored}, which Weft does not read; "
                f"use a checkpoint in one of {', '.join(READABLE_FORMATS)}"
            )


def _opened(path: Path) -> _Handle:
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER_START))
        if start == LFS_POINTER_START:
            raise ConfigurationError(f"{path} is a Git LFS pointer, not the weights; run `git lfs pull`")
        return _open(path, framework="pt")
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {clipped(str(error))}; check the file") from error


def _damaged(path: Path, reason: str) -> ConfigurationError:
    num_bytes = path.stat().st_size if path.exists() else 0
    return ConfigurationError(
        f"{path} ({num_bytes} bytes) is truncated or damaged: {clipped(reason)}; download or copy it again"
    )
