"""Attention by the compiled kernels, on state in blocks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.ops.backend import GroupTables, LayerCache, PackedBatch, PagedBatch
from weft.ops.cpu.library import kernels

if TYPE_CHECKING:
    from weft.ops.cpu._kernels import AttentionPlan, Cache

FORMATS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
"""Number formats of the cache, as the kernels count them."""
SCALE_BYTES = 4
"""In an int8 cache each head's numbers of a token are followed by their scale, in float32."""


@dataclass(frozen=True, slots=True)
class CpuPlan:
    """A batch worked out for all layers. `tables`: per state group, which the kernels read while they attend."""

    handle: "AttentionPlan"
    batch: PagedBatch
    tables: list[Tensor]


def plan_attention(batch: PagedBatch | PackedBatch) -> CpuPlan:
    """Raises `ConfigurationError` for whole sequences without kept state, as for training."""
    if isinstance(batch, PackedBatch):
        raise ConfigurationError("the cpu backend keeps state in blocks; train with backend 'torch'")
    handle = kernels().AttentionPlan([tuple(span) for span in batch.spans], batch.block_tokens)
    pools = {layer.group: layer.keys_SGE for layer in batch.layers}
    tables = [
        _add_group(handle, group, pools[index].shape[0] // batch.block_tokens)
        for index, group in enumerate(batch.groups)
    ]
    return CpuPlan(handle, batch, tables)


def _add_group(handle: "AttentionPlan", group: GroupTables, num_blocks: int) -> Tensor:
    tables_BM = group.tables_BM
    if tables_BM.dtype is not torch.int64 or not tables_BM.is_contiguous():
        tables_BM = tables_BM.long().contiguous()
    handle.add_group(tables_BM.data_ptr(), tables_BM.shape[1], num_blocks, group.window_tokens or 0)
    return tables_BM


def cache_of(layer: LayerCache, like: Tensor) -> "Cache":
    """A layer's cache as the kernels see it, for activations like those. Raises `ConfigurationError` where it is
    neither int8 nor in their format."""
    _, heads, size = layer.keys_SGE.shape
    dtype = layer.keys_SGE.dtype
    if dtype not in (torch.int8, like.dtype):
        raise ConfigurationError(
            f"the cache is {dtype} and activations are {like.dtype}; the cpu backend needs them alike"
        )
    head_dim = size - SCALE_BYTES if dtype is torch.int8 else size
    made: Cache = kernels().Cache.make(
        FORMATS[dtype],
        layer.keys_SGE.data_ptr(),
        layer.values_SGE.data_ptr(),
        heads,
        head_dim,
        size * dtype.itemsize,
    )
    return made
