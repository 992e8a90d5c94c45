"""A checkpoint's directory, written again with packed weights."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import AUTO, ServingOptions
from weft.executor.backend_choice import choose_format
from weft.executor.loading import build_model
from weft.executor.packed_loading import is_packed, write_packed
from weft.model_specs.families import read_spec
from weft.model_specs.gguf_header import is_gguf
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.torch_ops import TorchOps
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.checkpoint_files import PACKED_FILE, open_checkpoint
from weft.weights.merged import read_config, text_files
from weft.weights.packing import PackedWeights, canonical, packed_kind
from weft.weights.save import CONFIG_FILE, as_json, copy_files, flush, whole_directory, write_durably


class Sizes(NamedTuple):
    """Bytes of a model's weights as they were stored, and as they are packed."""

    stored: int
    packed: int


def quantize_directory(
    source: Path,
    target: Path,
    kind: str,
    *,
    dtype: str = AUTO,
    force: bool = False,
    tell: Callable[[int], object] = lambda _: None,
) -> Sizes:
    """Write a model's directory again, weights packed in one of `PACKED_QUANTIZATIONS`, for the backend `cpu`.

    `dtype`: of what is not packed; auto: the checkpoint's. `force`: `target` may hold packed weights already, which
    are replaced. `tell`: how many numbers were packed, each time. `target` is whole or as it was, also after a crash.
    Raises `ConfigurationError` for what keeps the model from being read or written.
    """
    _check_source(source, kind)
    spec = read_spec(source)
    number = choose_format(spec, ServingOptions(backend=CpuOps.name, dtype=dtype))
    weights = CheckpointWeights(source, getattr(torch, number.value), torch.device("cpu"))
    config = as_json({**read_config(source), "dtype": number.value, "torch_dtype": number.value}, CONFIG_FILE)
    with whole_directory(target, replaces=_may_replace(target, force=force)) as partial:
        write_durably(partial / CONFIG_FILE, config)
        copy_files(partial, text_files(source))
        with (partial / PACKED_FILE).open("wb") as file:
            packed = PackedWeights(weights, canonical(kind))
            write_packed(
                file,
                packed,
                source.resolve().name,
                lambda each: build_model(spec, each, TorchOps(1), 1),
                tell,
            )
        flush(partial / PACKED_FILE)
    files = dict.fromkeys(file.path for file in open_checkpoint(source).values())
    return Sizes(sum(path.stat().st_size for path in files), (target / PACKED_FILE).stat().st_size)


def _check_source(source: Path, kind: str) -> None:
    if kind != packed_kind(kind):
        raise ConfigurationError(
            f"quantization is {kind!r}, whose weights are those of {packed_kind(kind)!r}; write these, and serve the "
            f"directory with quantization {kind!r}"
        )
    if is_gguf(source):
        raise ConfigurationError(
            f"{source} is a GGUF file, and only directories are written again; serve the file itself, with "
            f"--quantization {kind} if it is to be quantised so"
        )
    if is_packed(source):
        raise ConfigurationError(
            f"{source} holds packed weights; name the directory that they were made from"
        )


def _may_replace(target: Path, *, force: bool) -> bool:
    """Raises `ConfigurationError` where there is something that must stay."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    if not is_packed(target):
        raise ConfigurationError(
            f"{target} is there, and no directory of `weft quantize`; name a new directory, or an empty one"
        )
    if not force:
        raise ConfigurationError(f"{target} holds packed weights already; add --force to replace them")
    return True
