"""Weights on the meta device that say what the model called them."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from weft.weights.linear import Linear
from weft.weights.random_weights import MetaWeights

META = torch.device("meta")


class NamedMetaWeights(MetaWeights):
    """Shapes without numbers that remember under which name the model asked for them."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__(dtype)
        self._named: list[tuple[Tensor, str]] = []

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return self._remember(super().read(name, shape), name)

    def linear(
        self,
        names: Sequence[str],
        out_features: Sequence[int],
        in_features: int,
        *,
        bias: bool = False,
        order_O: Tensor | None = None,
    ) -> Linear:
        linear = super().linear(names, out_features, in_features, bias=bias, order_O=order_O)
        self._remember(linear.weight_OI, f"{names[0]}.weight")
        return linear

    def _remember(self, tensor: Tensor, name: str) -> Tensor:
        self._named.append((tensor, name))
        return tensor

    def place(self, tensor: Tensor) -> tuple[str, int | None]:
        """The last part of a weight's name but "weight", and its layer."""
        name = next(name for known, name in self._named if known is tensor)
        layer = re.search(r"\.layers\.(\d+)\.", name)
        return name.split(".")[-2], int(layer[1]) if layer else None
