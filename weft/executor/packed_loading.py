"""Weights as the `cpu` backend reads them: from a directory of packed ones, from the cache, or packed now."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import torch
from tqdm import tqdm

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import AUTO, NO_QUANTIZATION, ServingOptions
from weft.ops.cpu.cpu_ops import CpuOps
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.checkpoint_files import PACKED_FILE
from weft.weights.messages import clipped
from weft.weights.packed_cache import LIMIT_VARIABLE, PackedCache
from weft.weights.packed_files import PackedFile
from weft.weights.packed_index import PackedFileError, read_index
from weft.weights.packed_writer import PackedWriter
from weft.weights.packing import PackedWeights, canonical, packed_kind
from weft.weights.source import WeightSource

PROGRESS_DELAY_S = 2.0
"""What is done sooner shows no bar."""

Build = Callable[[WeightSource], object]
"""Makes the model of weights, whatever device they are on, to see that it gets what it asks for."""


def is_packed(directory: Path) -> bool:
    """Whether `weft quantize` wrote it."""
    return (directory / PACKED_FILE).is_file()


def packed_bytes(directory: Path) -> int:
    """Of its packed weights; 0 where it has none."""
    return (directory / PACKED_FILE).stat().st_size if is_packed(directory) else 0


def settled(directory: Path, options: ServingOptions) -> ServingOptions:
    """With the formats of a directory of packed weights. Raises `ConfigurationError` where others are asked for."""
    if not is_packed(directory):
        return options
    index, _ = read_index(directory / PACKED_FILE)
    kind, dtype = index.quantization, index.dtype
    holds = f"{directory} holds weights packed as {kind} for backend 'cpu'"
    if options.backend not in (AUTO, CpuOps.name):
        raise ConfigurationError(
            f"{holds}, and backend is {options.backend!r}; choose backend 'cpu', or name the directory that they were "
            "made from"
        )
    asked = kind if options.quantization == NO_QUANTIZATION else canonical(options.quantization)
    if packed_kind(asked) != kind:
        raise ConfigurationError(
            f"{holds}, and quantization is {options.quantization!r}; leave it out, or run `weft quantize` again"
        )
    if options.dtype not in (AUTO, dtype):
        raise ConfigurationError(
            f"{holds}, the rest in {dtype}, and dtype is {options.dtype!r}; leave it out, or run `weft quantize` again"
        )
    return replace(options, backend=CpuOps.name, quantization=asked, dtype=dtype)


def open_packed(directory: Path, dtype: torch.dtype, kind: str, build: Build) -> WeightSource:
    """A model's weights, packed. Those of a checkpoint that keep their numbers are packed in memory each time, which
    takes little more than reading them; others into a file of the user's cache at the first time, and are mapped from
    there ever after. Where that cannot be written, they are packed in memory, and a warning says so.

    `build`: must ask for the same as the model will. Raises `ConfigurationError` where a checkpoint is missing or
    damaged, and for a damaged directory of packed weights.
    """
    if is_packed(directory):
        return _checked(directory / PACKED_FILE, canonical(kind), build)
    weights = PackedWeights(CheckpointWeights(directory, dtype, torch.device("cpu")), canonical(kind))
    if kind == NO_QUANTIZATION:
        return weights
    try:
        cache = PackedCache.of_user()
        if cache.limit_bytes:
            return _cached(cache, directory, weights, build)
    except OSError as error:
        warnings.warn(
            f"packed weights cannot be kept for the next start ({clipped(str(error))}); make room, or set "
            f"{LIMIT_VARIABLE}=0 to keep none",
            stacklevel=2,
        )
    return weights


def write_packed(
    file: BinaryIO, weights: PackedWeights, model: str, build: Build, tell: Callable[[int], object]
) -> None:
    """Pack a model layer by layer into a file. `tell`: how many numbers were written, each time. Raises `OSError`."""
    writer = PackedWriter(weights, file, model, tell)
    build(writer)
    writer.close()


def _cached(cache: PackedCache, directory: Path, weights: PackedWeights, build: Build) -> WeightSource:
    place = cache.place(directory, str(weights.dtype).removeprefix("torch."), packed_kind(weights.kind))
    try:
        found = _checked(place, weights.kind, build)
    except FileNotFoundError:
        pass
    except PackedFileError as error:
        warnings.warn(f"{error}; it is made anew", stacklevel=2)
    else:
        cache.used(place)
        return found
    with (
        tqdm(desc="packing weights", unit="", unit_scale=True, delay=PROGRESS_DELAY_S, disable=None) as bar,
        cache.writing(place) as file,
    ):
        write_packed(file, weights, directory.resolve().name, build, bar.update)
    return _checked(place, weights.kind, build)


def _checked(path: Path, kind: str, build: Build) -> PackedFile:
    """A file from which the model can be made."""
    packed = PackedFile(path, kind)
    build(packed)
    return packed
