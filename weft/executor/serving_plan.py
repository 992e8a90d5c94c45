"""What serving a checkpoint would take, without reading its weights."""

from dataclasses import dataclass
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.options import NO_QUANTIZATION, ServingOptions
from weft.engine.config import EngineConfig
from weft.executor.backend_choice import choose_backend, choose_format, with_backend
from weft.executor.cache_format import choose_cache_format
from weft.executor.inspection import inspect_checkpoint
from weft.executor.loading import (
    cache_share,
    engine_config,
    free_bytes,
    longest_sequence,
)
from weft.executor.packed_loading import packed_bytes, settled
from weft.executor.sizing import size_bytes
from weft.model_specs.gguf_header import is_gguf
from weft.model_specs.model_spec import ModelSpec
from weft.ops.cpu.cpu_ops import CpuOps
from weft.weights.gguf_tensors import GgufTensors


@dataclass(frozen=True, slots=True)
class ServingPlan:
    """Sizes in bytes. `free_bytes`: on the device, before anything is loaded. `config`: the engine's."""

    spec: ModelSpec
    backend: str
    device: str
    number_format: NumberFormat
    max_model_len: int
    config: EngineConfig
    free_bytes: int
    weights_bytes: int
    cache_bytes: int


def plan_serving(directory: Path, options: ServingOptions) -> ServingPlan:
    """Raises `ConfigurationError` for what keeps a checkpoint from being served: a damaged or missing file, an
    option that cannot be, too little memory."""
    spec = inspect_checkpoint(directory)
    options = with_backend(settled(directory, options), spec)
    ops, device = choose_backend(options)
    number, max_model_len = choose_format(spec, options), longest_sequence(spec, options)
    free, weights = (
        free_bytes(device),
        packed_bytes(directory) or _weights_bytes(directory, spec, number, options),
    )
    if weights > free:
        raise ConfigurationError(
            f"the weights need {_mebibytes(weights)} MiB and {_mebibytes(free)} MiB are free on {device}; free some, "
            "or serve a smaller model"
        )
    layout = choose_cache_format(number, options).layout(spec, options.block_tokens)
    budget = options.kv_cache_memory_bytes or cache_share(free - weights, device)
    config = engine_config(layout, max_model_len, options, budget)
    cache = size_bytes(layout, dict(config.num_blocks))
    if weights + cache > free:
        raise ConfigurationError(
            f"weights ({_mebibytes(weights)} MiB) and cache ({_mebibytes(cache)} MiB) need more than the "
            f"{_mebibytes(free)} MiB that are free on {device}; lower kv_cache_memory_bytes"
        )
    return ServingPlan(spec, ops.name, str(device), number, max_model_len, config, free, weights, cache)


def _weights_bytes(directory: Path, spec: ModelSpec, number: NumberFormat, options: ServingOptions) -> int:
    """Backend `cpu` keeps embeddings beside a head of integers made of them, and stored integers as they are."""
    if is_gguf(directory) and options.backend == CpuOps.name and options.quantization == NO_QUANTIZATION:
        return GgufTensors(directory).packed_bytes(number.num_bytes, ties_embeddings=spec.ties_embeddings)
    has_copy = options.quantization != NO_QUANTIZATION and spec.ties_embeddings
    copied = spec.vocab_size * spec.hidden_size if has_copy else 0
    return (spec.num_parameters + copied) * number.num_bytes


def _mebibytes(num_bytes: int) -> int:
    return num_bytes >> 20
