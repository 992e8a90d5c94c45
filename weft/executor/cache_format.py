"""In what format keys and values are kept, and how large that makes the cache."""

from dataclasses import dataclass, replace

import torch

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.options import AUTO, KV_CACHE_DTYPES, ServingOptions
from weft.contracts.state import PagedGroup, StateLayout
from weft.model_specs.model_spec import ModelSpec
from weft.ops.cpu.attention import SCALE_BYTES
from weft.ops.cpu.cpu_ops import CpuOps


@dataclass(frozen=True, slots=True)
class CacheFormat:
    """`scale_bytes`: behind the numbers of each head and token, in the same tensor, so that blocks are copied, checked
    and moved with their scales."""

    dtype: torch.dtype
    scale_bytes: int

    def head_size(self, head_dim: int) -> int:
        """Numbers of `dtype` that a head takes of a token."""
        return head_dim + self.scale_bytes // self.dtype.itemsize

    def layout(self, spec: ModelSpec, block_tokens: int) -> StateLayout:
        """The state groups of a model whose cache is in this format."""
        head_bytes = self.head_size(spec.head_dim) * self.dtype.itemsize
        plain = spec.state_layout(NumberFormat.FLOAT32, block_tokens)
        groups = []
        for group in plain.groups:
            assert isinstance(group, PagedGroup)
            num_heads = group.bytes_per_token // (spec.head_dim * NumberFormat.FLOAT32.num_bytes)
            groups.append(replace(group, bytes_per_token=num_heads * head_bytes))
        return StateLayout(tuple(groups), block_tokens)


def choose_cache_format(number: NumberFormat, options: ServingOptions) -> CacheFormat:
    """Of a model that computes in `number`. Raises `ConfigurationError` for a format that is unknown, or that the
    backend does not have."""
    name = options.kv_cache_dtype
    if name == AUTO:
        return CacheFormat(getattr(torch, number.value), 0)
    if name not in KV_CACHE_DTYPES:
        raise ConfigurationError(f"kv_cache_dtype is {name!r}; choose from {', '.join(KV_CACHE_DTYPES)}")
    if options.backend != CpuOps.name:
        raise ConfigurationError(
            f"kv_cache_dtype is {name!r}, which backend {options.backend!r} does not have; choose backend 'cpu', or "
            "leave kv_cache_dtype out"
        )
    return CacheFormat(torch.int8, SCALE_BYTES)
