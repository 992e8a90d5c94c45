"""Weights that gradients reach."""

import torch
from torch import Tensor

from weft.weights.source import WeightSource


class TrainableWeights(WeightSource):
    """Hands out float32 leaf tensors and keeps them by their name in the checkpoint; `initial` gives first values.

    A model joins some of them when it is made (queries, keys and values to one product), and that join is a part
    of what is differentiated. So make the model anew for each step: it costs copies of the weights.
    """

    def __init__(self, initial: WeightSource) -> None:
        self.dtype = torch.float32
        self.device = initial.device
        self.parameters: dict[str, Tensor] = {}
        self._initial = initial

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The same tensor each time."""
        if name not in self.parameters:
            values = self._initial.read(name, shape).to(torch.float32, copy=True)
            self.parameters[name] = values.requires_grad_()
        return self.parameters[name]

    @property
    def num_parameters(self) -> int:
        """Numbers in all tensors that were asked for."""
        return sum(tensor.numel() for tensor in self.parameters.values())

    def values(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Copies in another format, as for a checkpoint."""
        return {name: tensor.detach().to(dtype, copy=True) for name, tensor in self.parameters.items()}
