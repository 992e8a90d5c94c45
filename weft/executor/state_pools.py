"""The tensors behind the block numbers: keys and values on the device and, for swapped state, in host memory."""

from collections.abc import Sequence

import torch
from torch import Tensor

from weft.contracts.state import Tier
from weft.contracts.steps import BlockCopy
from weft.contracts.transfers import Transfer, TransferResult
from weft.executor.cache_format import CacheFormat
from weft.executor.host_memory import zeros_on_demand
from weft.model_specs.model_spec import ModelSpec
from weft.ops.backend import LayerCache

KEYS, VALUES = 0, 1
WORDS = (torch.int32, torch.int16, torch.int8)
"""That checksums are sums of: the widest that a row of a head consists of."""


class StatePools:
    """Per state group one tensor on each tier: layers, keys and values, blocks, tokens of a block, heads, size with
    scales.

    `num_blocks`, `num_host_blocks`: per group, in the order of `spec.layer_groups`.
    """

    def __init__(
        self,
        spec: ModelSpec,
        block_tokens: int,
        num_blocks: Sequence[int],
        num_host_blocks: Sequence[int],
        cache: CacheFormat,
        device: torch.device,
    ) -> None:
        self._spec, self._block_tokens, self._cache = spec, block_tokens, cache
        host = torch.device("cpu")
        self._pools = {
            Tier.DEVICE: [self._pool(group, size, device) for group, size in enumerate(num_blocks)],
            Tier.HOST: [self._pool(group, size, host) for group, size in enumerate(num_host_blocks)],
        }
        self.layers = [self._layer(layer) for layer in range(spec.num_layers)]

    def _pool(self, group: int, num_blocks: int, device: torch.device) -> Tensor:
        num_layers = len(self._spec.layer_groups[group].layers)
        heads = (self._spec.num_kv_heads, self._cache.head_size(self._spec.head_dim))
        shape = (num_layers, 2, num_blocks, self._block_tokens, *heads)
        if device.type == "cpu":
            return zeros_on_demand(shape, self._cache.dtype)
        return torch.zeros(shape, dtype=self._cache.dtype, device=device)

    def _layer(self, layer: int) -> LayerCache:
        for group, members in enumerate(self._spec.layer_groups):
            if layer in members.layers:
                pool = self._pools[Tier.DEVICE][group][members.layers.index(layer)]
                return LayerCache(group, pool[KEYS].flatten(0, 1), pool[VALUES].flatten(0, 1))
        raise AssertionError(f"layer {layer} is in no group")

    @property
    def host(self) -> Sequence[Tensor]:
        """The tensors in host memory, per state group."""
        return self._pools[Tier.HOST]

    def copy(self, copies: Sequence[BlockCopy]) -> None:
        """Copy blocks on the device, one after the other."""
        for copy in copies:
            pool = self._pools[Tier.DEVICE][copy.group]
            pool[:, :, copy.target] = pool[:, :, copy.source]

    def move(self, transfer: Transfer) -> TransferResult:
        """Carry out a transfer between device and host memory.

        The checksum is the sum of the bits of all that was read. Where it is not the one expected, because they
        changed since an earlier transfer told it, the result says so.
        """
        sources, targets = self._pools.get(transfer.source), self._pools.get(transfer.target)
        if sources is None or targets is None:
            path = f"{transfer.source.value} to {transfer.target.value}"
            return TransferResult(transfer.transfer_id, error=f"there is no path from {path}")
        checksum = 0
        for group, (source, target) in enumerate(zip(sources, targets, strict=True)):
            pairs = [(move.source, move.target) for move in transfer.moves if move.group == group]
            if pairs:
                checksum += _move(source, target, pairs)
        intact = transfer.expected_checksum in (None, checksum)
        error = None if intact else f"checksum {checksum} on arrival, {transfer.expected_checksum} expected"
        return TransferResult(transfer.transfer_id, checksum, error)


def _move(source: Tensor, target: Tensor, pairs: list[tuple[int, int]]) -> int:
    """Blocks from one pool to another; returns the sum of their bits as integers."""
    from_blocks, to_blocks = zip(*pairs, strict=True)
    moved = source.index_select(2, torch.tensor(from_blocks, device=source.device)).to(target.device)
    target.index_copy_(2, torch.tensor(to_blocks, device=target.device), moved)
    row_bytes = moved.shape[-1] * moved.element_size()
    words = moved.view(next(word for word in WORDS if row_bytes % word.itemsize == 0))
    return int(words.sum(dtype=torch.int64))
