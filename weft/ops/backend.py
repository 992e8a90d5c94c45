"""The operations that models are written in.

Legend of shape suffixes, here and in every model: T tokens of a step (of all its sequences, packed), D
hidden size, H query heads, G heads of keys and values, E head dimension, F intermediate size, V vocabulary,
B spans, M blocks of a table, S slots of a pool, I and O inputs and outputs of a linear layer, N experts of a
layer, K experts of a token, R rows of experts: one per token and expert of it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from weft.weights.experts import Experts
from weft.weights.linear import Linear, Table


class Span(NamedTuple):
    """Consecutive units of one sequence: rows `first` to `first + num_units` (exclusive) of a packed tensor
    hold its positions `start` to `start + num_units`."""

    first: int
    start: int
    num_units: int


class LayerCache(NamedTuple):
    """Keys and values of one layer, in slots of which a block holds `block_tokens`: `keys_SGE`, `values_SGE`.

    `group`: index of the layer's state group. In int8 (backend `cpu`), a head's E numbers are followed by the four
    bytes of their scale in float32, so the last dimension is E + 4.
    """

    group: int
    keys_SGE: Tensor
    values_SGE: Tensor


class GroupTables(NamedTuple):
    """Where the spans' state is in one state group.

    `tables_BM`: per span its block numbers by index; below 0 where there is none (any more). `window_tokens`:
    a token sees itself and the `window_tokens - 1` before it; None sees everything.
    """

    tables_BM: Tensor
    window_tokens: int | None


class PagedBatch(NamedTuple):
    """What a step computes, on state in blocks: spans in order of `first`, without gaps."""

    spans: Sequence[Span]
    groups: Sequence[GroupTables]
    layers: Sequence[LayerCache]
    block_tokens: int


class PackedBatch(NamedTuple):
    """Whole sequences side by side without kept state, as for training; windows per layer as in `GroupTables`."""

    lengths: Sequence[int]
    layer_windows: Sequence[int | None]


AttentionPlan = Any
"""What a backend has worked out about a batch for all layers; only that backend looks inside."""


LOST = -1
"""In place of a token, where there are no finite scores to choose from."""


class Decoded(NamedTuple):
    """Of a step's tokens: their hidden states, normalised, the scores of what may come next, in float32, and the
    likeliest: the id of the highest score, the lowest among equals, `LOST` where that is not finite or a score of the
    row is not a number. None where the backend leaves the choice to others."""

    hidden_TD: Tensor
    scores_TV: Tensor
    likeliest: list[int] | None


class StepModel(Protocol):
    """A model, as far as a step needs it."""

    def forward(self, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        """The normalised hidden states of a step's tokens: [T, D]."""

    def logits(self, hidden_TD: Tensor) -> Tensor:
        """Scores of every token to come next, in float32: [T, V]."""


class Ops(Protocol):
    """One backend. Results are new tensors; inputs stay as they are, but for the slots that `attention` writes."""

    @property
    def name(self) -> str:
        """What `--backend` calls it."""

    @property
    def fingerprint(self) -> str:
        """Names all that decides the bits of its results beyond the number formats."""

    def bind_thread(self) -> None:
        """To be called once in every thread that will call the other methods."""

    def close(self) -> None:
        """End what threads the backend has."""

    def embed(self, table: Table, tokens_T: Tensor) -> Tensor:
        """Rows of a table, by token id: [T, D]."""

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """x / sqrt(mean(x^2) + eps) * weight over the last dimension (arXiv 1910.07467, section 4)."""

    def add_rms_norm(self, x_TD: Tensor, y_TD: Tensor, weight_D: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """The residual stream x + y, and its `rms_norm`."""

    def linear(self, x_TI: Tensor, linear: Linear) -> Tensor:
        """x W^T + b: [T, O]."""

    def scores(self, x_TI: Tensor, linear: Linear) -> Tensor:
        """What `linear` gives, as float32: [T, O]."""

    def gated_linear(self, x_TD: Tensor, gate_up: Linear) -> Tensor:
        """silu(x gate^T) * (x up^T): [T, F]. `gate_up` holds the outputs of both, one after the other
        (SwiGLU, arXiv 2002.05202, equation 5)."""

    def experts(self, x_TD: Tensor, experts: Experts) -> Tensor:
        """The weighted sum of what a token's experts make of it: [T, D].

        A token's experts are the K that a softmax over the router's scores ranks first, among equals those of
        the lower index, and their weights are their shares of it; divided by their sum they are the gates of
        arXiv 1701.06538, equation 3, without its noise. An expert is a `gated_linear` and a `linear`. Experts are
        added in the order of their index.
        """

    def rotate(self, x_THE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
        """Rotary position embedding with the halves of a head as pairs (arXiv 2104.09864, section 3.4.2)."""

    def plan_attention(self, batch: PagedBatch | PackedBatch) -> AttentionPlan:
        """Work out once what every layer's `attention` needs."""

    def attention(
        self, q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: AttentionPlan
    ) -> Tensor:
        """Keep the new keys and values, then attend causally to all that each token sees: [T, H * E]."""

    def all_reduce(self, x: Tensor, axis: str) -> Tensor:
        """The sum of x over the ranks of a mesh axis; x itself where there is one rank."""

    def step(self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        """What `model.forward` gives for a step, a model being called the same way for equally many tokens every time.

        A backend may keep the operations that it consists of and do them again without the model; the result holds
        until the next step.
        """

    def decode(
        self, model: StepModel, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan, *, chooses: bool
    ) -> Decoded:
        """A `step` all of whose tokens are followed by one that is not known: what `model.forward` and `model.logits`
        give. `likeliest` is None unless it `chooses`; all holds until the next step.
        """
