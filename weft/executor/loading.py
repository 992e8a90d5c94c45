"""From a checkpoint and options to an executor and the engine configuration that fits it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import ref

import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.options import AUTO, NO_QUANTIZATION, ServingOptions
from weft.contracts.state import StateLayout
from weft.engine.config import EngineConfig
from weft.executor.backend_choice import choose_backend, choose_format, with_backend
from weft.executor.cache_format import choose_cache_format
from weft.executor.limits import available_memory_bytes
from weft.executor.model_runner import ModelRunner
from weft.executor.packed_loading import open_packed, settled
from weft.executor.sizing import Demand, blocks_needed, blocks_within, size_bytes
from weft.executor.state_pools import StatePools
from weft.executor.torch_executor import TorchExecutor
from weft.model_specs.families import family_of, read_spec
from weft.model_specs.model_spec import ModelSpec
from weft.models.decoder import Decoder
from weft.ops.backend import Ops
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.torch_ops import TorchOps
from weft.text.constraints import Grammars
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.huge_pages import collapse_in_background
from weft.weights.packed_files import PackedFile
from weft.weights.packing import PackedWeights
from weft.weights.source import WeightSource

SHARE_OF_MEMORY = {"cpu": 0.5, "cuda": 0.9}
"""The share of free memory that the cache may take where its size is not given: on a CPU others need some."""

Weights = Callable[[torch.dtype, torch.device], WeightSource]
"""Opens weights in a number format on a device."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A model that is ready to serve: what the engine is configured with, and what executes its steps."""

    spec: ModelSpec
    options: ServingOptions
    max_model_len: int
    config: EngineConfig
    executor: TorchExecutor

    def follow(self, grammars: Grammars) -> None:
        """Constraints of requests are those of these from now on."""
        self.executor.runner.sampler.use(grammars)

    def close(self) -> None:
        """End the threads; the memory goes with the last reference."""
        self.executor.close()


def load_serving(directory: Path, options: ServingOptions) -> Serving:
    """Load a checkpoint. Raises `ConfigurationError` for whatever keeps it from being served."""

    spec = read_spec(directory)
    options = with_backend(settled(directory, options), spec)

    def weights(dtype: torch.dtype, device: torch.device) -> WeightSource:
        return open_weights(directory, dtype, device, options)

    return make_serving(spec, weights, options)


def make_serving(spec: ModelSpec, weights: Weights, options: ServingOptions) -> Serving:
    """Serve a model whose weights come from anywhere."""
    options = with_backend(options, spec)
    ops, device = choose_backend(options)
    number = choose_format(spec, options)
    dtype: torch.dtype = getattr(torch, number.value)
    max_model_len = longest_sequence(spec, options)
    model = build_model(spec, prepared(weights(dtype, device), options), ops, max_model_len)
    cache = choose_cache_format(number, options)
    layout = cache.layout(spec, options.block_tokens)
    budget_bytes = options.kv_cache_memory_bytes or cache_share(free_bytes(device), device)
    config = engine_config(layout, max_model_len, options, budget_bytes)
    pools = StatePools(
        spec,
        options.block_tokens,
        [config.num_blocks[group.name] for group in layout.groups],
        [config.num_host_blocks.get(group.name, 0) for group in layout.groups],
        cache,
        device,
    )
    # One block more than the longest sequence fills: the one that its last token opens.
    max_blocks = max_model_len // options.block_tokens + 1
    runner = ModelRunner(model, ops, pools, options.block_tokens, config.max_running, max_blocks)

    def load_weights(source: str) -> Decoder:
        new_weights = open_weights(Path(source), dtype, device, settled(Path(source), options))
        made = build_model(read_spec(Path(source)), new_weights, ops, max_model_len)
        _collapse_while_idle(executor)
        return made

    fingerprint = numeric_fingerprint(ops, device, number, options)
    executor = TorchExecutor(runner, fingerprint, load_weights, options.depth)
    _collapse_while_idle(executor)
    return Serving(spec, options, max_model_len, config, executor)


def _collapse_while_idle(executor: TorchExecutor) -> None:
    """Weights go into large pages between steps; nothing is kept alive for it."""
    found = ref(executor)
    collapse_in_background(lambda: (asked := found()) is not None and asked.is_busy)


def build_model(spec: ModelSpec, weights: WeightSource, ops: Ops, max_model_len: int) -> Decoder:
    """The torch model of a spec's family, with all its weights; none may be left over."""
    module, _, name = family_of(spec.architecture).model.partition(":")
    family: type[Decoder] = getattr(importlib.import_module(module), name)
    model = family(spec, weights, ops, max_model_len)
    weights.finish(model.tied)
    return model


def open_weights(
    directory: Path, dtype: torch.dtype, device: torch.device, options: ServingOptions
) -> WeightSource:
    """Of a directory, as the backend reads them."""
    if options.backend != CpuOps.name:
        return CheckpointWeights(directory, dtype, device)
    spec = read_spec(directory)
    return open_packed(
        directory, dtype, options.quantization, lambda weights: build_model(spec, weights, TorchOps(1), 1)
    )


def prepared(weights: WeightSource, options: ServingOptions) -> WeightSource:
    """The weights as the backend reads them."""
    is_prepared = options.backend != CpuOps.name or isinstance(weights, PackedFile | PackedWeights)
    return weights if is_prepared else PackedWeights(weights, options.quantization)


def numeric_fingerprint(ops: Ops, device: torch.device, number: NumberFormat, options: ServingOptions) -> str:
    """Names all that decides the bits of results."""
    weights = "" if options.quantization == NO_QUANTIZATION else f"-{options.quantization}"
    cache = "" if options.kv_cache_dtype == AUTO else f"-kv-{options.kv_cache_dtype}"
    return f"{ops.fingerprint}-{device.type}-{number.value}{weights}{cache}"


def longest_sequence(spec: ModelSpec, options: ServingOptions) -> int:
    """In tokens, prompt and output. Raises `ConfigurationError` where the model cannot be that long."""
    if options.max_model_len is None:
        return spec.max_length_tokens
    if options.max_model_len > spec.max_length_tokens:
        raise ConfigurationError(
            f"max_model_len is {options.max_model_len}; the model was made for at most {spec.max_length_tokens}"
        )
    return options.max_model_len


def engine_config(
    layout: StateLayout, max_model_len: int, options: ServingOptions, budget_bytes: int
) -> EngineConfig:
    """With as many blocks as the budget pays for. Raises `ConfigurationError` where these are too few."""
    demand = Demand(max_model_len, options.max_num_seqs, options.max_num_batched_tokens)
    return EngineConfig(
        layout,
        blocks_within(layout, demand, budget_bytes),
        _host_blocks(layout, demand, options.swap_memory_bytes),
        max_step_tokens=options.max_num_batched_tokens,
        max_running=options.max_num_seqs,
        prefix_caching=options.enable_prefix_caching,
        preempt="latest_first_swap" if options.swap_memory_bytes else "latest_first",
    )


def free_bytes(device: torch.device) -> int:
    """Memory that could be taken on a device now. Raises `ConfigurationError` where it cannot be asked."""
    if device.type == "cpu":
        return available_memory_bytes()
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    raise ConfigurationError(
        f"how much memory device {str(device)!r} has left cannot be asked; set kv_cache_memory_bytes"
    )


def cache_share(num_bytes: int, device: torch.device) -> int:
    """The part of free memory that the cache may take."""
    return int(num_bytes * SHARE_OF_MEMORY[device.type])


def _host_blocks(layout: StateLayout, demand: Demand, memory_bytes: int) -> dict[str, int]:
    if not memory_bytes:
        return {}
    needed = blocks_needed(layout, demand)
    share = memory_bytes / size_bytes(layout, needed)
    return {name: max(1, int(count * share)) for name, count in needed.items()}
