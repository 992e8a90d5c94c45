"""The feed-forward part of a layer with experts."""

from torch import Tensor

from weft.model_specs.experts import ExpertsSpec
from weft.ops.backend import Ops
from weft.weights.experts import Experts
from weft.weights.source import WeightSource


class ExpertMixture:
    """A router and gated products, of which each token goes to a few (arXiv 1701.06538, section 2).

    A checkpoint has tensors of each expert; they are joined here, so that a backend may compute them together.
    """

    def __init__(
        self, spec: ExpertsSpec, hidden_size: int, name: str, weights: WeightSource, ops: Ops
    ) -> None:
        self._ops = ops
        count, inner = spec.num_experts, spec.inner_size
        experts = [f"{name}.experts.{expert}" for expert in range(count)]
        gate_up = [f"{expert}.{part}_proj" for expert in experts for part in ("gate", "up")]
        down = [f"{expert}.down_proj" for expert in experts]
        self._experts = Experts(
            weights.linear([f"{name}.gate"], [count], hidden_size),
            weights.linear(gate_up, [inner] * 2 * count, hidden_size).weight_OI.view(count, -1, hidden_size),
            weights.linear(down, [hidden_size] * count, inner).weight_OI.view(count, -1, inner),
            spec.num_chosen,
            spec.sums_to_one,
        )

    def __call__(self, x_TD: Tensor) -> Tensor:
        return self._ops.all_reduce(self._ops.experts(x_TD, self._experts), "tp")
