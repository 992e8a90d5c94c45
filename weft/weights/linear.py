"""The handle of a linear layer: models pass it on, operations look inside."""

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x W^T + b. `weight_OI`: outputs by inputs; `bias_O`: None where the layer has none."""

    weight_OI: Tensor
    bias_O: Tensor | None = None


Table: TypeAlias = Tensor | Linear
"""Rows by number: a tensor [V, D], or a layer whose outputs have these rows for weights."""
