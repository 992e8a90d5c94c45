"""The `cpu` backend: a model's operations by the compiled kernels."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from weft.ops.backend import AttentionPlan, Decoded, PackedBatch, PagedBatch, StepModel
from weft.ops.cpu.addresses import in_rows, number_of, rows_of
from weft.ops.cpu.attention import CpuPlan, cache_of, plan_attention
from weft.ops.cpu.library import kernels
from weft.ops.cpu.products import Products
from weft.ops.cpu.recorded_steps import RecordedSteps
from weft.ops.torch_ops import TorchOps
from weft.weights.experts import Experts
from weft.weights.linear import Linear, Table
from weft.weights.packed import PackedLinear

if TYPE_CHECKING:
    from weft.ops.cpu._kernels import Operations

ROUNDED = 2
"""Results of bfloat16 that are written as float32, as the kernels count number formats."""


class CpuOps:
    """See `Ops`. `num_threads`: of the kernels and, in turns with these, of torch.

    Each operation gives a row the same bits whatever else is in a step, on any number of threads; norms, rotation and
    attention also on all levels of instructions.
    Raises `ConfigurationError` where there are no kernels.
    """

    name = "cpu"

    def __init__(self, num_threads: int) -> None:
        self.num_threads = num_threads
        self._torch = TorchOps(num_threads)
        self._products = Products(num_threads)
        self._operations: Operations = kernels().Operations(self._products.engine)
        self._steps = RecordedSteps(self._operations, self.embed, self.likeliest)

    @property
    def fingerprint(self) -> str:
        """See `Ops`."""
        return f"cpu-5-{self._products.level}-{self._torch.fingerprint}"

    def bind_thread(self) -> None:
        """See `Ops`. What is left to torch is little, and threads of its own would spin beside the kernels'."""
        torch.set_num_threads(1)

    def close(self) -> None:
        """The threads end with the backend, and sleep until then."""
        self._steps.forget()

    def embed(self, table: Table, tokens_T: Tensor) -> Tensor:
        """See `Ops`."""
        if isinstance(table, PackedLinear):
            return self._embed_packed(table, tokens_T)
        table_VD = (table if isinstance(table, Tensor) else table.weight_OI).contiguous()
        out_TD = self._new((len(tokens_T), table_VD.shape[1]), table_VD.dtype)
        row_bytes = table_VD.shape[1] * table_VD.dtype.itemsize
        self._operations.embed(
            table_VD.data_ptr(),
            row_bytes,
            len(table_VD),
            tokens_T.data_ptr(),
            len(tokens_T),
            out_TD.data_ptr(),
        )
        return out_TD

    def _embed_packed(self, table: PackedLinear, tokens_T: Tensor) -> Tensor:
        outputs, inputs = table.weight_OI.shape
        out_TD = self._new((len(tokens_T), inputs), table.float_dtype)
        self._operations.embed_packed(
            table.blocks.data_ptr(),
            table.blocks.shape[1],
            inputs * out_TD.dtype.itemsize,
            outputs,
            tokens_T.data_ptr(),
            len(tokens_T),
            out_TD.data_ptr(),
        )
        return out_TD

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """See `Ops`."""
        x = in_rows(x)
        out = self._new(x.shape, x.dtype)
        self._operations.norm(number_of(x), rows_of(x), weight.data_ptr(), eps, out.data_ptr())
        return out

    def add_rms_norm(self, x_TD: Tensor, y_TD: Tensor, weight_D: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """See `Ops`."""
        x_TD, y_TD = in_rows(x_TD), in_rows(y_TD)
        stream_TD, out_TD = self._new(x_TD.shape, x_TD.dtype), self._new(x_TD.shape, x_TD.dtype)
        self._operations.add_norm(
            number_of(x_TD),
            rows_of(x_TD),
            rows_of(y_TD),
            weight_D.data_ptr(),
            eps,
            stream_TD.data_ptr(),
            out_TD.data_ptr(),
        )
        return stream_TD, out_TD

    def linear(self, x_TI: Tensor, linear: Linear) -> Tensor:
        """See `Ops`."""
        if not isinstance(linear, PackedLinear):
            return self._torch.linear(x_TI, linear)
        return self._linear(x_TI, linear, x_TI.dtype, number_of(x_TI))

    def scores(self, x_TI: Tensor, linear: Linear) -> Tensor:
        """See `Ops`. Rounded as `linear` does, without a pass of its own over results that no cache holds by then."""
        if not isinstance(linear, PackedLinear):
            return self._torch.scores(x_TI, linear)
        return self._linear(x_TI, linear, torch.float32, ROUNDED if number_of(x_TI) else 0)

    def _linear(self, x_TI: Tensor, linear: PackedLinear, dtype: torch.dtype, number: int) -> Tensor:
        outputs, inputs = linear.weight_OI.shape
        assert x_TI.shape[1] == inputs, (x_TI.shape, inputs)
        x_TI = x_TI.contiguous()
        out_TO = self._new((len(x_TI), outputs), dtype)
        layer = self._products.layer(linear)
        self._operations.linear(
            layer, x_TI.data_ptr(), number_of(x_TI), len(x_TI), inputs, out_TO.data_ptr(), number
        )
        return out_TO

    def gated_linear(self, x_TD: Tensor, gate_up: Linear) -> Tensor:
        """See `Ops`."""
        both_TO = self.linear(x_TD, gate_up)
        both_T2F = both_TO.view(len(both_TO), 2, -1)
        out_TF = self._new((len(both_TO), both_T2F.shape[2]), both_TO.dtype)
        self._operations.gate(number_of(both_TO), rows_of(both_T2F), out_TF.data_ptr())
        return out_TF

    def experts(self, x_TD: Tensor, experts: Experts) -> Tensor:
        """See `Ops`. Experts are ranked by their scores, so none are equal whose shares only round to the same; weights
        stay in float32, and the sum is rounded once."""
        if not all(isinstance(each, PackedLinear) for each in (*experts.gate_up, *experts.down)):
            return self._torch.experts(x_TD, experts)
        x_TD, scores_TN = x_TD.contiguous(), self.linear(x_TD, experts.router)
        num_rows, (hidden, inner) = len(x_TD) * experts.num_chosen, experts.down[0].weight_OI.shape
        both_RO, gated_RF, made_RD, out_TD = (
            self._new(shape, x_TD.dtype)
            for shape in ((num_rows, 2 * inner), (num_rows, inner), (num_rows, hidden), x_TD.shape)
        )
        self._operations.experts(
            self._products.experts(experts),
            number_of(x_TD),
            rows_of(scores_TN),
            rows_of(x_TD),
            both_RO.data_ptr(),
            gated_RF.data_ptr(),
            made_RD.data_ptr(),
            out_TD.data_ptr(),
        )
        return out_TD

    def rotate(self, x_THE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        """See `Ops`."""
        x_THE = in_rows(x_THE)
        out_THE = self._new(x_THE.shape, x_THE.dtype)
        self._operations.rotate(
            number_of(x_THE), rows_of(x_THE), rows_of(cos_TE), rows_of(sin_TE), out_THE.data_ptr()
        )
        return out_THE

    def plan_attention(self, batch: PagedBatch | PackedBatch) -> AttentionPlan:
        """See `Ops`."""
        return plan_attention(batch)

    def attention(
        self, q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: AttentionPlan
    ) -> Tensor:
        """See `Ops`."""
        assert isinstance(plan, CpuPlan)
        cache = plan.batch.layers[layer]
        q_THE, k_TGE, v_TGE = in_rows(q_THE), in_rows(k_TGE), in_rows(v_TGE)
        out_TO = self._new((len(q_THE), q_THE.shape[1] * q_THE.shape[2]), q_THE.dtype)
        self._operations.attend(
            number_of(q_THE),
            rows_of(q_THE),
            rows_of(k_TGE),
            rows_of(v_TGE),
            out_TO.data_ptr(),
            cache_of(cache, q_THE),
            q_THE.shape[2] ** -0.5,
            cache.group,
            plan.handle,
        )
        return out_TO

    def all_reduce(self, x: Tensor, axis: str) -> Tensor:
        """See `Ops`."""
        return x  # there is one rank

    def likeliest(self, scores_TV: Tensor) -> Tensor:
        """Per row the id of the highest score (float32), the lowest id among equals: int64. `LOST` where the highest is
        not finite, or one of the row is not a number."""
        chosen_T = self._new((len(scores_TV),), torch.int64)
        self._operations.likeliest(rows_of(scores_TV), chosen_T.data_ptr())
        return chosen_T

    def step(self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        """See `Ops`. Of few rows, operations are recorded the first time (with a cache) and done again from then on."""
        assert isinstance(plan, CpuPlan)
        return self._steps.step(model, tokens_T, positions_T, plan)

    def decode(
        self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan, *, chooses: bool
    ) -> Decoded:
        """See `Ops`. As `step`; scores and choice are done again with the layers, in the same call."""
        assert isinstance(plan, CpuPlan)
        return self._steps.decode(model, tokens_T, positions_T, plan, chooses=chooses)

    def _new(self, shape: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> Tensor:
        memory = self._steps.memory
        return torch.empty(shape, dtype=dtype) if memory is None else memory.take(shape, dtype)
