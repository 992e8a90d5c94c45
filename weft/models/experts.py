"""The feed-forward part of a layer with experts."""

from torch import Tensor

from weft.model_specs.experts import ExpertsSpec
from weft.ops.backend import Ops
from weft.weights.experts import Experts
from weft.weights.source import WeightSource


class ExpertMixture:
    """A router and gated products, of which each token goes to a few (arXiv 1701.06538, section 2).

    A checkpoint has tensors of each expert, gate and up apart; these two are joined.
    """

    def __init__(
        self, spec: ExpertsSpec, hidden_size: int, name: str, weights: WeightSource, ops: Ops
    ) -> None:
        self._ops = ops
        count, inner = spec.num_experts, spec.inner_size
        experts = [f"{name}.experts.{expert}" for expert in range(count)]
        self._experts = Experts(
            weights.linear([f"{name}.gate"], [count], hidden_size),
            [
                weights.linear([f"{each}.gate_proj", f"{each}.up_proj"], [inner] * 2, hidden_size)
                for each in experts
            ],
            [weights.linear([f"{each}.down_proj"], [hidden_size], inner) for each in experts],
            spec.num_chosen,
            spec.sums_to_one,
        )

    def __call__(self, x_TD: Tensor) -> Tensor:
        return self._ops.all_reduce(self._ops.experts(x_TD, self._experts), "tp")
