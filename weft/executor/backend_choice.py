"""Which backend computes where none is named."""

import logging
from dataclasses import replace

from weft.contracts.options import AUTO, NO_QUANTIZATION, ServingOptions
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.torch_ops import TorchOps

_logger = logging.getLogger(__name__)


def with_backend(options: ServingOptions) -> ServingOptions:
    """With a backend in place of auto: `cpu` where formats are asked for that it alone has, else `torch`. `cpu` was
    faster in bfloat16 and float32 too, where both were compared (docs/benchmarks/cpu.md), but its first start packs
    weights into a copy on the disk. The choice is logged."""
    if options.backend != AUTO:
        return options
    is_narrow = options.quantization != NO_QUANTIZATION or options.kv_cache_dtype != AUTO
    name = CpuOps.name if is_narrow else TorchOps.name
    _logger.info("backend %s was chosen", name)
    return replace(options, backend=name)
