"""Qwen3 (arXiv 2505.09388, section 2): each head's query and key is normalised before it is rotated."""

from torch import Tensor

from weft.model_specs.model_spec import ModelSpec
from weft.models.decoder import Attention, Decoder
from weft.ops.backend import Ops
from weft.weights.source import WeightSource


class NormalisedAttention(Attention):
    """Attention whose queries and keys have unit mean square per head, times a learned weight."""

    def __init__(self, spec: ModelSpec, name: str, weights: WeightSource, ops: Ops) -> None:
        super().__init__(spec, name, weights, ops)
        self._query_norm_E = weights.read(f"{name}.q_norm.weight", (spec.head_dim,))
        self._key_norm_E = weights.read(f"{name}.k_norm.weight", (spec.head_dim,))

    def normalise(self, q_THE: Tensor, k_TGE: Tensor) -> tuple[Tensor, Tensor]:
        eps = self._spec.norm_eps
        return (
            self._ops.rms_norm(q_THE, self._query_norm_E, eps),
            self._ops.rms_norm(k_TGE, self._key_norm_E, eps),
        )


class Qwen3(Decoder):
    """The decoder with normalised heads."""

    attention = NormalisedAttention
