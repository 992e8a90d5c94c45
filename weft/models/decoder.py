"""What the decoder-only families share: embedding, a stack of layers with attention and a gated product, head.

A family says in its own file how it differs. Legend of shapes: `weft/ops/backend.py`.
"""

from torch import Tensor

from weft.model_specs.model_spec import ModelSpec
from weft.models.experts import ExpertMixture
from weft.models.rotary import RotaryTable
from weft.ops.backend import AttentionPlan, Ops
from weft.weights.linear import Linear, Table
from weft.weights.source import WeightSource


class Attention:
    """Causal attention with heads that share keys and values in groups (arXiv 2305.13245)."""

    def __init__(self, spec: ModelSpec, name: str, weights: WeightSource, ops: Ops) -> None:
        self._ops, self._spec = ops, spec
        inner, shared = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
        self._sizes = [inner, shared, shared]
        names = [f"{name}.{part}_proj" for part in "qkv"]
        order_O = self.order(spec)
        self._qkv = weights.linear(names, self._sizes, spec.hidden_size, bias=spec.qkv_bias, order_O=order_O)
        self._output = weights.linear([f"{name}.o_proj"], [spec.hidden_size], inner, bias=spec.output_bias)

    def __call__(
        self, x_TD: Tensor, rotary: tuple[Tensor, Tensor], layer: int, plan: AttentionPlan
    ) -> Tensor:
        q_THE, k_TGE, v_TGE = self._split(self._ops.linear(x_TD, self._qkv))
        q_THE, k_TGE = self.normalise(q_THE, k_TGE)
        q_THE, k_TGE = self._ops.rotate(q_THE, *rotary), self._ops.rotate(k_TGE, *rotary)
        attended = self._ops.attention(q_THE, k_TGE, v_TGE, layer, plan)
        return self._ops.all_reduce(self._ops.linear(attended, self._output), "tp")

    def _split(self, qkv_TO: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        spec = self._spec
        q, k, v = qkv_TO.split_with_sizes(self._sizes, dim=-1)
        kv_shape = (-1, spec.num_kv_heads, spec.head_dim)
        return q.reshape(-1, spec.num_heads, spec.head_dim), k.reshape(kv_shape), v.reshape(kv_shape)

    def order(self, spec: ModelSpec) -> Tensor | None:
        """Of the rows that make queries, keys and values, where a checkpoint of the family has another one; here it has
        not. What is computed packed is put in order before it is packed."""
        return None

    def normalise(self, q_THE: Tensor, k_TGE: Tensor) -> tuple[Tensor, Tensor]:
        """What a family does with the heads before they are rotated; nothing here."""
        return q_THE, k_TGE


class GatedProduct:
    """The feed-forward part: down(silu(gate x) * up x)."""

    def __init__(self, spec: ModelSpec, name: str, weights: WeightSource, ops: Ops) -> None:
        self._ops = ops
        hidden, inner, bias = spec.hidden_size, spec.intermediate_size, spec.mlp_bias
        names = [f"{name}.gate_proj", f"{name}.up_proj"]
        self._gate_up = weights.linear(names, [inner, inner], hidden, bias=bias)
        self._down = weights.linear([f"{name}.down_proj"], [hidden], inner, bias=bias)

    def __call__(self, x_TD: Tensor) -> Tensor:
        gated_TF = self._ops.gated_linear(x_TD, self._gate_up)
        return self._ops.all_reduce(self._ops.linear(gated_TF, self._down), "tp")


class Layer:
    """One layer: attention and the gated product (or experts), each on the normalised residual stream and added."""

    def __init__(
        self, spec: ModelSpec, index: int, weights: WeightSource, ops: Ops, attention: type[Attention]
    ) -> None:
        self._ops, self._index, self._eps = ops, index, spec.norm_eps
        name, shape = f"model.layers.{index}", (spec.hidden_size,)
        self.input_norm_D = weights.read(f"{name}.input_layernorm.weight", shape)
        self._attention = attention(spec, f"{name}.self_attn", weights, ops)
        self._middle_norm_D = weights.read(f"{name}.post_attention_layernorm.weight", shape)
        experts = spec.experts_of(index)
        self._feed_forward = (
            GatedProduct(spec, f"{name}.mlp", weights, ops)
            if experts is None
            else ExpertMixture(experts, spec.hidden_size, f"{name}.mlp", weights, ops)
        )

    def __call__(
        self, stream_TD: Tensor, x_TD: Tensor, rotary: tuple[Tensor, Tensor], plan: AttentionPlan
    ) -> tuple[Tensor, Tensor]:
        """The residual stream and its normalised form go in; the stream and what is to be added come out."""
        attended_TD = self._attention(x_TD, rotary, self._index, plan)
        stream_TD, x_TD = self._ops.add_rms_norm(stream_TD, attended_TD, self._middle_norm_D, self._eps)
        return stream_TD, self._feed_forward(x_TD)


class Decoder:
    """A decoder-only model. A family derives from it and, where its attention differs, names its own.

    `max_length_tokens`: positions that will be asked for.
    """

    attention: type[Attention] = Attention

    def __init__(self, spec: ModelSpec, weights: WeightSource, ops: Ops, max_length_tokens: int) -> None:
        self.spec, self._ops = spec, ops
        table_shape = (spec.vocab_size, spec.hidden_size)
        name = "model.embed_tokens.weight"
        self._embedding: Table
        self._head: Linear
        if spec.ties_embeddings:
            self._embedding, self._head = weights.tied(name, table_shape)
        else:
            self._embedding = weights.read(name, table_shape)
            self._head = weights.linear(["lm_head"], [spec.vocab_size], spec.hidden_size)
        self._layers = [Layer(spec, index, weights, ops, self.attention) for index in range(spec.num_layers)]
        self._norm_D = weights.read("model.norm.weight", (spec.hidden_size,))
        self._rotary = RotaryTable(spec.rope, max_length_tokens, weights.dtype, weights.device)

    @property
    def tied(self) -> dict[str, str]:
        """Names that a checkpoint may leave out, each with the name of the tensor that is used instead."""
        return {"lm_head.weight": "model.embed_tokens.weight"} if self.spec.ties_embeddings else {}

    def forward(self, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        """The normalised hidden states of a step's tokens: [T, D]."""
        rotary = self._rotary.at(positions_T)
        stream_TD = self._ops.embed(self._embedding, tokens_T)
        x_TD = self._ops.rms_norm(stream_TD, self._layers[0].input_norm_D, self.spec.norm_eps)
        following = [layer.input_norm_D for layer in self._layers[1:]] + [self._norm_D]
        for layer, norm_D in zip(self._layers, following, strict=True):
            stream_TD, added_TD = layer(stream_TD, x_TD, rotary, plan)
            stream_TD, x_TD = self._ops.add_rms_norm(stream_TD, added_TD, norm_D, self.spec.norm_eps)
        return x_TD

    def logits(self, hidden_TD: Tensor) -> Tensor:
        """Scores of every token to come next, in float32: [T, V]."""
        return self._ops.scores(hidden_TD, self._head)
