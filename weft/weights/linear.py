"""The handle of a linear layer: models pass it on, operations look inside."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x W^T + b. `weight_OI`: outputs by inputs; `bias_O`: None where the layer has none."""

    weight_OI: Tensor
    bias_O: Tensor | None = None
