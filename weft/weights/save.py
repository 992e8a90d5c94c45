"""Writing a checkpoint as a Hugging Face directory: config.json, safetensors shards and their index."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.checkpoint_files import INDEX_FILE, SINGLE_FILE
from weft.weights.messages import clipped, quoted
from weft.weights.tensor_file import READABLE_FORMATS

CONFIG_FILE = "config.json"
DEFAULT_SHARD_BYTES = 5 * 10**9

# The header's own key, which no tensor may take.
RESERVED_NAME = "__metadata__"


def save_checkpoint(
    directory: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    *,
    max_shard_bytes: int = DEFAULT_SHARD_BYTES,
    other_files: Mapping[str, Path] | None = None,
) -> None:
    """Write a checkpoint; `directory` must not exist or be empty.

    Everything is written and flushed to the disk in a directory of another name beside it, which then takes its
    name: `directory` holds the whole checkpoint or nothing, also after a crash. `tensors` is gone through once, in its
    order, and may make its values as they are asked for; no more than one shard is kept. A shard closes before it would
    grow beyond `max_shard_bytes` (one larger tensor makes a shard of its own). `other_files` are copied in under
    their keys. Raises `ConfigurationError` for what cannot be written, and leaves no file behind then.
    """
    config_text = as_json(config, CONFIG_FILE)
    if max_shard_bytes < 1:
        raise ConfigurationError(f"max_shard_bytes is {max_shard_bytes}; give a shard at least one byte")
    with whole_directory(directory) as partial:
        write_durably(partial / CONFIG_FILE, config_text)
        _write_tensors(partial, tensors, max_shard_bytes)
        copy_files(partial, other_files or {})


@contextmanager
def whole_directory(directory: Path, *, replaces: bool = False) -> Iterator[Path]:
    """A directory beside it to write into, which takes its name at the end: `directory` holds everything or nothing,
    also after a crash. Files in it must be on the disk by then. `replaces`: it may be there already, with anything in
    it, and goes. Raises `ConfigurationError` for what cannot be written, and leaves no file behind then."""
    directory = directory.resolve()
    if not replaces:
        _check_target(directory)
    partial = directory.with_name(f".{directory.name}.partial-{os.getpid()}")
    old = directory.with_name(f".{directory.name}.old-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ConfigurationError(
            f"{partial} cannot be made: {error.strerror}; check the directory, or delete it if it was left over"
        ) from error
    try:
        yield partial
        flush(partial)
        if replaces and directory.exists():
            directory.replace(old)
        partial.replace(directory)
        flush(directory.parent)
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{directory} cannot be written: {clipped(str(error))}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check_target(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigurationError(
            f"{directory} exists and is not an empty directory; name a new one, or empty it"
        )


def _write_tensors(directory: Path, tensors: Mapping[str, Tensor], max_shard_bytes: int) -> None:
    """Shards get their final names at the end, when their number is known."""
    shards: list[list[str]] = []
    total_bytes = 0
    # The library lets only the owner read what it writes; whoever may read one file of a checkpoint may read all.
    mode = (directory / CONFIG_FILE).stat().st_mode
    for shard in _shards(tensors, max_shard_bytes):
        path = directory / f"shard-{len(shards)}"
        save_file(shard, path, metadata={"format": "pt"})
        path.chmod(mode)
        flush(path)
        shards.append(list(shard))
        total_bytes += sum(tensor.nbytes for tensor in shard.values())
    if not shards:
        raise ConfigurationError("a checkpoint needs at least one tensor; none was given")
    names = _shard_names(len(shards))
    for number, name in enumerate(names):
        (directory / f"shard-{number}").replace(directory / name)
    if len(shards) > 1:
        weight_map = {name: file for file, shard in zip(names, shards, strict=True) for name in shard}
        index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
        write_durably(directory / INDEX_FILE, as_json(index, INDEX_FILE))


def _shard_names(count: int) -> list[str]:
    if count == 1:
        return [SINGLE_FILE]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def _shards(tensors: Mapping[str, Tensor], max_shard_bytes: int) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    shard_bytes = 0
    for name, given in tensors.items():
        tensor = _writable(name, given)
        if shard and shard_bytes + tensor.nbytes > max_shard_bytes:
            yield shard
            shard, shard_bytes = {}, 0
        shard[name] = tensor
        shard_bytes += tensor.nbytes
    if shard:
        yield shard


def _writable(name: str, tensor: Tensor) -> Tensor:
    """The tensor on the CPU in memory that is all its own, as the format demands."""
    if name == RESERVED_NAME:
        raise ConfigurationError(
            f"a tensor cannot be called {RESERVED_NAME!r}; the file format keeps that name"
        )
    if tensor.is_meta or tensor.dtype not in READABLE_FORMATS.values():
        kind = "on the meta device" if tensor.is_meta else f"of type {tensor.dtype}"
        raise ConfigurationError(
            f"tensor {quoted(name)} is {kind}; checkpoints hold numbers in float32, float16 or bfloat16"
        )
    moved = tensor.detach().cpu().contiguous()
    # A view of a larger tensor, or one tensor under two names, would be refused by the library.
    is_the_callers = moved.data_ptr() == tensor.data_ptr()
    return moved.clone() if is_the_callers else moved


def copy_files(directory: Path, files: Mapping[str, Path]) -> None:
    """Copies under their keys, on the disk. Raises `ConfigurationError` where there is such a file already."""
    for name, source in files.items():
        if (directory / name).exists():
            raise ConfigurationError(f"{source} cannot be copied to {name!r}: the checkpoint has such a file")
        shutil.copyfile(source, directory / name)
        flush(directory / name)


def as_json(content: Mapping[str, Any], name: str) -> str:
    """As a file called `name` has it; raises `ConfigurationError` for what JSON does not know."""
    try:
        return json.dumps(content, indent=2, allow_nan=False) + "\n"
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{name} cannot be written as JSON: {clipped(str(error))}") from error


def write_durably(path: Path, text: str) -> None:
    """A file that is on the disk then."""
    path.write_text(text, encoding="utf-8")
    flush(path)


def flush(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
