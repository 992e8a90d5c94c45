"""Where a model gets its weights from: it asks by the names of the checkpoint and says what shape it needs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from weft.weights.gguf_blocks import Blocks
from weft.weights.linear import Linear, Table


class WeightSource(ABC):
    """Weights by name, in one compute type on one device."""

    dtype: torch.dtype
    device: torch.device

    @abstractmethod
    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name; raises `ConfigurationError` where it is missing or of another shape."""

    def read_into(self, name: str, out: Tensor) -> None:
        """Put the tensor of that name there; raises as `read` does."""
        out.copy_(self.read(name, tuple(out.shape)))

    def blocks(self, name: str, shape: tuple[int, int]) -> Blocks | None:
        """A matrix that is stored in blocks of integers, as it is; None where it is not. Raises as `read` does."""
        return None

    # A source that makes its tensors up has nothing left over, so this is no duty of every subclass.
    def finish(self, tied: Mapping[str, str] | None = None) -> None:  # noqa: B027
        """The model has all it wants; raises `ConfigurationError` where something was left over.

        `tied` maps a name that the model did not ask for to the one whose tensor it uses instead:
        {"lm_head.weight": "model.embed_tokens.weight"}. A checkpoint may leave such a name out; where it
        holds both, they must be equal.
        """

    def linear(
        self,
        names: Sequence[str],
        out_features: Sequence[int],
        in_features: int,
        *,
        bias: bool = False,
        order_O: Tensor | None = None,
    ) -> Linear:
        """Layers with the same input as one: outputs are concatenated in the order of `names`, and then put into
        `order_O`: whose number each comes to be."""
        sizes = list(zip(names, out_features, strict=True))
        weights = [self.read(f"{name}.weight", (size, in_features)) for name, size in sizes]
        biases = [self.read(f"{name}.bias", (size,)) for name, size in sizes] if bias else []
        weight_OI, bias_O = _join(weights), _join(biases) if biases else None
        if order_O is None:
            return Linear(weight_OI, bias_O)
        order_O = order_O.to(weight_OI.device)
        return Linear(weight_OI[order_O], None if bias_O is None else bias_O[order_O])

    def tied(self, name: str, shape: tuple[int, int]) -> tuple[Table, Linear]:
        """A tensor for two uses, as tied embeddings are: as a table, and as the weight of a layer."""
        table_VD = self.read(name, shape)
        return table_VD, Linear(table_VD)


def _join(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
