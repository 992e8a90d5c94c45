"""Which backend computes where none is named."""

import logging
from dataclasses import replace

import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat, number_format
from weft.contracts.options import AUTO, NO_QUANTIZATION, ServingOptions
from weft.model_specs.model_spec import ModelSpec
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import kernels
from weft.ops.torch_ops import TorchOps
from weft.weights.packed import MOST_INPUTS

_logger = logging.getLogger(__name__)


def with_backend(spec: ModelSpec, options: ServingOptions) -> ServingOptions:
    """With a backend in place of auto: `cpu` for a dense model on a CPU that its kernels can compute, and wherever
    formats are asked for that it alone has; else `torch`. The choice is logged."""
    if options.backend != AUTO:
        return options
    obstacle = "" if _needs_kernels(options) else _obstacle(spec, options)
    name = TorchOps.name if obstacle else CpuOps.name
    _logger.info("backend %s was chosen%s", name, f": {obstacle}" if obstacle else "")
    return replace(options, backend=name)


def _needs_kernels(options: ServingOptions) -> bool:
    return options.quantization != NO_QUANTIZATION or options.kv_cache_dtype != AUTO


def _obstacle(spec: ModelSpec, options: ServingOptions) -> str:
    """Why the kernels are not to compute this; "" where they are."""
    number = spec.stored_format if options.dtype == AUTO else number_format(options.dtype)
    if options.device not in (AUTO, "cpu"):
        return f"the device is {options.device}"
    if options.device == AUTO and torch.cuda.is_available():
        return "there is a GPU"
    if number is NumberFormat.FLOAT16:
        return "the kernels do not compute in float16"
    if spec.experts is not None:
        return "the model has experts"
    if max(spec.hidden_size, spec.intermediate_size) > MOST_INPUTS:
        return f"a layer has more than {MOST_INPUTS} inputs"
    try:
        kernels()
    except ConfigurationError as error:
        return str(error)
    return ""
