"""The `torch` backend: plain compositions that any torch device runs and autograd differentiates."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from weft.ops.backend import AttentionPlan, Decoded, PackedBatch, PagedBatch, StepModel
from weft.ops.experts import Groups, Routing, group_by_expert, route, weighted_sum
from weft.ops.packed_attention import attend_packed
from weft.ops.paged_attention import PagedPlan, attend_paged, plan_paged
from weft.weights.experts import Experts
from weft.weights.linear import Linear, Table

REMEMBERED_SHAPES = 1 << 14
"""Of products on a CPU in narrow formats, whose kernels oneDNN makes anew for each number of rows (0.7 ms each) and of
which it remembers 1,024, while steps have up to some thousand numbers of tokens in five products each."""


class TorchOps:
    """See `Ops`. `num_threads`: how many threads one operation may use on a CPU.

    Bits may depend on what else is in a step, since libraries choose their kernels by shape: promise 1 holds
    only up to rounding.
    """

    name = "torch"

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        # Read with the first product of the process.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(REMEMBERED_SHAPES))

    @property
    def fingerprint(self) -> str:
        return f"torch-{torch.__version__}-{torch.backends.cpu.get_cpu_capability()}"

    def bind_thread(self) -> None:
        torch.set_num_threads(self.num_threads)

    def close(self) -> None:
        """Torch's own threads are the process's."""

    def embed(self, table: Table, tokens_T: Tensor) -> Tensor:
        return functional.embedding(tokens_T, table if isinstance(table, Tensor) else table.weight_OI)

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
        return weight * (wide * scale).to(x.dtype)

    def add_rms_norm(self, x_TD: Tensor, y_TD: Tensor, weight_D: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        stream_TD = x_TD + y_TD
        return stream_TD, self.rms_norm(stream_TD, weight_D, eps)

    def linear(self, x_TI: Tensor, linear: Linear) -> Tensor:
        return functional.linear(x_TI, linear.weight_OI, linear.bias_O)

    def scores(self, x_TI: Tensor, linear: Linear) -> Tensor:
        return self.linear(x_TI, linear).float()

    def gated_linear(self, x_TD: Tensor, gate_up: Linear) -> Tensor:
        return self.gate(self.linear(x_TD, gate_up))

    def gate(self, both_TO: Tensor) -> Tensor:
        """silu(gate) * up, of rows that hold both."""
        gate_TF, up_TF = both_TO.chunk(2, dim=-1)
        return functional.silu(gate_TF) * up_TF

    def experts(self, x_TD: Tensor, experts: Experts) -> Tensor:
        routing = self.route(self.linear(x_TD, experts.router), experts.num_chosen, experts.sums_to_one)
        groups = self.group(routing, len(experts.down))
        rows_RD = x_TD.index_select(0, groups.tokens_R)
        gated_RF = self.gate(self.grouped_linear(rows_RD, experts.gate_up, groups))
        made_RD = self.grouped_linear(gated_RF, experts.down, groups)
        return self.weighted_sum(made_RD, routing, groups)

    def route(self, scores_TN: Tensor, num_chosen: int, sums_to_one: bool) -> Routing:
        """Each token's experts and their weights; see `Ops.experts`."""
        return route(scores_TN, num_chosen, sums_to_one)

    def group(self, routing: Routing, num_experts: int) -> Groups:
        """The rows that the experts compute. Waits for the device, which alone knows how many each gets."""
        return group_by_expert(routing.experts_TK, num_experts)

    def grouped_linear(self, rows_RI: Tensor, linears: Sequence[Linear], groups: Groups) -> Tensor:
        """x W^T of each row with the weight of its expert: [R, O]; weights of experts without rows stay unread."""
        parts = zip(rows_RI.split_with_sizes(groups.sizes), linears, strict=True)
        return torch.cat([self.linear(part, linear) for part, linear in parts if len(part)])

    def weighted_sum(self, made_RD: Tensor, routing: Routing, groups: Groups) -> Tensor:
        """Each token's rows times their weights, added in the order of the experts: [T, D]."""
        return weighted_sum(made_RD, routing.weights_TK, groups.places_TK)

    def rotate(self, x_THE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        low, high = x_THE.chunk(2, dim=-1)
        turned_THE = torch.cat((-high, low), dim=-1)
        return x_THE * cos_TE[:, None] + turned_THE * sin_TE[:, None]

    def plan_attention(self, batch: PagedBatch | PackedBatch) -> AttentionPlan:
        return plan_paged(batch) if isinstance(batch, PagedBatch) else batch

    def attention(
        self, q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: AttentionPlan
    ) -> Tensor:
        if isinstance(plan, PagedPlan):
            return attend_paged(q_THE, k_TGE, v_TGE, layer, plan)
        return attend_packed(q_THE, k_TGE, v_TGE, layer, plan)

    def all_reduce(self, x: Tensor, axis: str) -> Tensor:
        return x  # there is one rank

    def step(self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        return model.forward(tokens_T, positions_T, plan)

    def decode(
        self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan, *, chooses: bool
    ) -> Decoded:
        del chooses  # on a GPU it is an operation as any other, and none is kept here
        hidden_TD = model.forward(tokens_T, positions_T, plan)
        return Decoded(hidden_TD, model.logits(hidden_TD), None)
