"""Which backend computes a model, where, and in what number format."""

import logging
from collections.abc import Callable
from dataclasses import replace

import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat, number_format
from weft.contracts.options import AUTO, NO_QUANTIZATION, ServingOptions
from weft.executor.limits import available_processors
from weft.model_specs.model_spec import ModelSpec
from weft.ops.backend import Ops
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import PORTABLE, choose_level, has_kernels
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps
from weft.weights.packed import MOST_INPUTS

_logger = logging.getLogger(__name__)

CPU_BACKENDS: dict[str, Callable[[int], Ops]] = {ReferenceOps.name: ReferenceOps, CpuOps.name: CpuOps}
"""Backends that run on a CPU only, by name; they are told how many threads they may use."""


def with_backend(options: ServingOptions, spec: ModelSpec) -> ServingOptions:
    """With a backend in place of auto: `cpu` where it can serve the model and is the faster one, which it was wherever
    it was measured (docs/benchmarks/cpu.md), else `torch`. Formats that `cpu` alone has are left to it in any case. The
    choice is logged, with its reason where it is `torch`."""
    if options.backend != AUTO:
        return options
    is_narrow = options.quantization != NO_QUANTIZATION or options.kv_cache_dtype != AUTO
    reason = "" if is_narrow else _why_torch(options, spec)
    name = TorchOps.name if reason else CpuOps.name
    _logger.info("backend %s was chosen%s", name, f": {reason}" if reason else "")
    return replace(options, backend=name)


def _why_torch(options: ServingOptions, spec: ModelSpec) -> str:
    """What keeps a model from the kernels, if anything."""
    if options.device not in (AUTO, "cpu"):
        return f"device is {options.device!r}"
    if options.device == AUTO and torch.cuda.is_available():
        return "there is a GPU"
    if _format(options, spec) is NumberFormat.FLOAT16:
        return "weights are in float16; dtype bfloat16 or float32 would let backend cpu compute"
    most_inputs = max(spec.hidden_size, spec.intermediate_size, spec.num_heads * spec.head_dim)
    if most_inputs > MOST_INPUTS:
        return f"a layer has {most_inputs} inputs, and backend cpu takes {MOST_INPUTS}"
    if not has_kernels():
        return "Weft was installed without a compiler; install g++ or clang, and then Weft again, for backend cpu"
    if choose_level() == PORTABLE:
        return "this processor has no AVX2"
    return ""


def choose_backend(options: ServingOptions) -> tuple[Ops, torch.device]:
    """What computes, and where; `options` name a backend. Raises `ConfigurationError` where there is no such thing."""
    threads = options.num_threads or available_processors()
    if options.backend != CpuOps.name and options.quantization != NO_QUANTIZATION:
        raise ConfigurationError(
            f"quantization is {options.quantization!r}, which backend {options.backend!r} does not have; "
            "choose backend 'cpu', or leave quantization out"
        )
    if options.backend in CPU_BACKENDS:
        if options.device not in (AUTO, "cpu"):
            raise ConfigurationError(
                f"device is {options.device!r}; the {options.backend} backend runs on 'cpu'"
            )
        return CPU_BACKENDS[options.backend](threads), torch.device("cpu")
    if options.backend != TorchOps.name:
        raise ConfigurationError(
            f"backend is {options.backend!r}; choose 'auto', 'torch', 'reference' or 'cpu'"
        )
    return TorchOps(threads), _device(options.device)


def _device(name: str) -> torch.device:
    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        problem = str(error).splitlines()[0]
        raise ConfigurationError(
            f"device {name!r} cannot be used ({problem}); try 'cpu' or 'auto'"
        ) from error
    return device


def choose_format(spec: ModelSpec, options: ServingOptions) -> NumberFormat:
    """Of weights, arithmetic and state."""
    if options.backend == ReferenceOps.name:
        if options.dtype not in (AUTO, NumberFormat.FLOAT32.value):
            raise ConfigurationError(
                f"dtype is {options.dtype!r}; the reference backend computes in 'float32'"
            )
        return NumberFormat.FLOAT32
    number = _format(options, spec)
    if options.backend == CpuOps.name and number is NumberFormat.FLOAT16:
        raise ConfigurationError(
            "dtype is 'float16'; the cpu backend computes in 'float32' or 'bfloat16': set dtype to one of them"
        )
    return number


def _format(options: ServingOptions, spec: ModelSpec) -> NumberFormat:
    """As asked for, or as it is stored."""
    return spec.stored_format if options.dtype == AUTO else number_format(options.dtype)
