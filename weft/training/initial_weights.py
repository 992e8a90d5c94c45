"""What weights are before the first step."""

import math

import torch
from torch import Tensor

from weft.training.recipe import ModelShape
from weft.weights.random_weights import RandomWeights

INTO_STREAM = ("o_proj.weight", "down_proj.weight")
"""The last products of a layer's two branches."""


class InitialWeights(RandomWeights):
    """Normal numbers, smaller by the root of the number of branches where a branch joins the residual stream (Radford
    et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3): so the stream begins as what the
    tokens are, little disturbed by the sum of all branches. Without it the circuit of `token_lessons` did not form
    within twice the steps (`docs/log.md`)."""

    def __init__(self, seed: int, shape: ModelShape) -> None:
        super().__init__(seed, torch.float32, torch.device("cpu"), shape.initial_std)
        self._branch_share = 1 / math.sqrt(2 * shape.num_layers)

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name."""
        values = super().read(name, shape)
        return values * self._branch_share if name.endswith(INTO_STREAM) else values
