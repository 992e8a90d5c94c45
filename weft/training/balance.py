"""A loss that keeps routers from sending most tokens to few experts."""

import torch
from torch import Tensor

from weft.ops.experts import Routing
from weft.ops.torch_ops import TorchOps


class BalancingOps(TorchOps):
    """`TorchOps` that notes for each router how unequally it shared out what went through it, while gradients are
    wanted."""

    def __init__(self, num_threads: int, weight: float) -> None:
        super().__init__(num_threads)
        self._weight = weight
        self._noted: list[Tensor] = []

    def route(self, scores_TN: Tensor, num_chosen: int, sums_to_one: bool) -> Routing:
        """As ever."""
        routing = super().route(scores_TN, num_chosen, sums_to_one)
        if torch.is_grad_enabled():
            self._noted.append(imbalance(scores_TN, routing.experts_TK))
        return routing

    def take_penalty(self) -> Tensor:
        """What is to be added to the loss: the mean over the routers since it was last asked for, times the weight."""
        noted, self._noted = self._noted, []
        return self._weight * torch.stack(noted).mean()


def imbalance(scores_TN: Tensor, experts_TK: Tensor) -> Tensor:
    """1 where all experts get the same, up to N where one gets all: N times the sum over experts of the share of tokens
    that were sent there and the router's mean probability for it (Switch Transformers, Fedus et al., arXiv 2101.03961,
    equations 4 to 6). Gradients go through the probability."""
    num_experts = scores_TN.shape[-1]
    sent_N = experts_TK.flatten().bincount(minlength=num_experts) / experts_TK.numel()
    return num_experts * (sent_N * scores_TN.float().softmax(-1).mean(0)).sum()
