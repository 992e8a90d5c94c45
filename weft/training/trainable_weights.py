"""Weights that gradients reach."""

from collections.abc import Callable

import torch
from torch import Tensor

from weft.weights.source import WeightSource


class TrainableWeights(WeightSource):
    """Keeps float32 leaf tensors by their name in the checkpoint; `initial` gives first values.

    `dtype`: what the model computes in. Below float32 the model gets casts, through which gradients reach the leaves:
    small updates add up there that a narrower format would round away (arXiv 1710.03740, section 3.1).

    A model joins some of them when it is made (queries, keys and values to one product), and that join is a part
    of what is differentiated. So make the model anew for each step: it costs copies of the weights.
    """

    def __init__(self, initial: WeightSource, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        self.device = initial.device
        self.parameters: dict[str, Tensor] = {}
        self._initial = initial

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The same tensor each time, or a cast of it."""
        return self.leaf(name, lambda: self._initial.read(name, shape)).to(self.dtype)

    def leaf(self, name: str, first: Callable[[], Tensor]) -> Tensor:
        """The parameter of that name; `first` makes its first values."""
        if name not in self.parameters:
            self.parameters[name] = first().to(torch.float32, copy=True).requires_grad_()
        return self.parameters[name]

    @property
    def num_parameters(self) -> int:
        """Numbers in all tensors that were asked for."""
        return sum(tensor.numel() for tensor in self.parameters.values())

    def values(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Copies in another format, as for a checkpoint."""
        return {name: tensor.detach().to(dtype, copy=True) for name, tensor in self.parameters.items()}
