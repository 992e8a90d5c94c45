"""A frozen model with something narrow beside it that gradients reach."""

from math import sqrt

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.training.adapter_recipe import AdapterShape
from weft.training.trainable_weights import TrainableWeights
from weft.weights.adapter_files import factor_names
from weft.weights.random_weights import RandomWeights
from weft.weights.source import WeightSource


class AdapterWeights(TrainableWeights):
    """Reads W + alpha / rank B A for each matrix W that `shape` names (LoRA, Hu et al., arXiv 2106.09685, section 4.1),
    and everything else as it is in the base.

    `parameters` are A [rank, inputs] and B [outputs, rank] by the names that PEFT gives them. B begins as zeros, so
    that the first step sees the base; A as normal numbers that keep the size of what they are multiplied with. The sum
    is made in float32 and then cast: below float32 it rounds, as it will once an adapter is merged.

    Raises `ConfigurationError` where a matrix to be adapted is that of an expert.
    """

    def __init__(
        self, base: WeightSource, shape: AdapterShape, seed: int, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(base, dtype)
        self._base, self._shape = base, shape
        self._random = RandomWeights(seed, torch.float32, base.device, std=1.0)
        self._frozen: dict[str, Tensor] = {}

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """What the model is to compute with now."""
        if not self._is_adapted(name):
            return self._frozen_tensor(name, shape, self.dtype)
        frozen_OI = self._frozen_tensor(name, shape, torch.float32)
        a_RI, b_OR = self._factors(name, shape)
        return (frozen_OI + self._shape.alpha / self._shape.rank * (b_OR @ a_RI)).to(self.dtype)

    def _is_adapted(self, name: str) -> bool:
        module = name.removesuffix(".weight").rpartition(".")[2]
        if module not in self._shape.targets:
            return False
        if ".experts." in name:
            raise ConfigurationError(
                f"{module!r} is to be adapted, and {name!r} is that of an expert, for which there are no adapters; "
                "leave it out of the recipe's targets"
            )
        return True

    def _frozen_tensor(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        if name not in self._frozen:
            self._frozen[name] = self._base.read(name, shape).to(dtype, copy=True)
        return self._frozen[name]

    def _factors(self, name: str, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        (outputs, inputs), rank = shape, self._shape.rank
        a_name, b_name = factor_names(name)
        a_RI = self.leaf(a_name, lambda: self._random.read(a_name, (rank, inputs)) / sqrt(inputs))
        b_OR = self.leaf(b_name, lambda: torch.zeros(outputs, rank, device=self.device))
        return a_RI, b_OR
