"""Weights without a checkpoint: random ones for tests and benchmarks, shapes alone for tracing."""

import hashlib

import torch
from torch import Tensor

from weft.weights.source import WeightSource


class RandomWeights(WeightSource):
    """Normal numbers of standard deviation `std`; norm weights are ones.

    Each tensor has a stream of its own that follows from (seed, name): the order of asking does not matter, nor which
    other tensors are asked for. Numbers are drawn on the CPU in float32 and then converted, so types and devices
    get the same ones up to rounding.
    """

    def __init__(self, seed: int, dtype: torch.dtype, device: torch.device, std: float = 0.02) -> None:
        self.seed = seed
        self.dtype = dtype
        self.device = device
        self.std = std

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name: the same for the same seed, name and shape."""
        if name.endswith("norm.weight"):
            return torch.ones(shape, dtype=self.dtype, device=self.device)
        stream = torch.Generator().manual_seed(_stream_seed(self.seed, name))
        numbers = torch.randn(shape, generator=stream, dtype=torch.float32)
        return numbers.mul_(self.std).to(self.device, self.dtype)


class MetaWeights(WeightSource):
    """Shapes and types without numbers: tensors on the meta device, any name in any shape."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.device = torch.device("meta")

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """An empty tensor of that shape."""
        return torch.empty(shape, dtype=self.dtype, device=self.device)


def _stream_seed(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
