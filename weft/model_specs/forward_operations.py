"""The operations of one forward pass of a decoder, in the order in which they run.

Query, key and value are one product, gate and up another; every row of a step goes through each product
together, while attention is one operation per span, because each reads state of its own. The products of a
layer's experts are one grouped product, of a row per token and chosen expert.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.operations import ForwardWork, OperandFormat, Operation, OperationKind, Size, Span

if TYPE_CHECKING:
    from weft.model_specs.model_spec import ModelSpec


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Lists operations of `work` for one model and one choice of formats."""

    spec: "ModelSpec"
    work: ForwardWork
    weight_format: NumberFormat
    state_format: NumberFormat
    activation_format: NumberFormat

    def __post_init__(self) -> None:
        given, num_layers = self.work.distinct_experts, len(self.spec.expert_layers)
        if given is None:
            return
        if len(given) != num_layers:
            raise ConfigurationError(
                f"distinct_experts has {len(given)} numbers; give one for each of the {num_layers} layers with experts"
            )
        if self.spec.experts is not None:
            self.spec.experts.check_distinct(given, self.work.num_units)

    def operations(self) -> Iterator[Operation]:
        """All of them; none where there is no work."""
        num_tokens = self.work.num_units
        if num_tokens == 0:
            return
        yield self._embedding(num_tokens)
        for layer in range(self.spec.num_layers):
            yield from self._attention_half(layer, num_tokens)
            yield from self._feed_forward_half(layer, num_tokens)
        # hidden states of all rows are normalised: whoever embeds text or drafts tokens wants them
        yield self._norm("final_norm", None, num_tokens, self.spec.hidden_size)
        if self.work.num_outputs:
            yield self._product(
                "logits_product", None, self.work.num_outputs, self.spec.vocab_size, self.spec.hidden_size
            )
            if self.activation_format is not NumberFormat.FLOAT32:
                yield self._logits_conversion(self.work.num_outputs, self.spec.vocab_size)

    def _attention_half(self, layer: int, num_tokens: int) -> Iterator[Operation]:
        spec = self.spec
        query_size, kv_size = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
        yield self._norm("attention_norm", layer, num_tokens, spec.hidden_size)
        yield self._product(
            "qkv_product", layer, num_tokens, query_size + 2 * kv_size, spec.hidden_size, spec.qkv_bias
        )
        if spec.has_head_norms:
            yield self._norm("query_norm", layer, num_tokens * spec.num_heads, spec.head_dim)
            yield self._norm("key_norm", layer, num_tokens * spec.num_kv_heads, spec.head_dim)
        yield self._rotary(layer, num_tokens)
        for span in self.work.spans:
            yield self._attention(layer, span)
        yield self._product(
            "output_product", layer, num_tokens, spec.hidden_size, query_size, spec.output_bias
        )
        yield self._of_two("attention_residual_add", layer, num_tokens, spec.hidden_size)

    def _feed_forward_half(self, layer: int, num_tokens: int) -> Iterator[Operation]:
        hidden, experts = self.spec.hidden_size, self.spec.experts_of(layer)
        yield self._norm("feed_forward_norm", layer, num_tokens, hidden)
        if experts is None:
            yield from self._feed_forward(layer, num_tokens)
        else:
            yield from self._experts(layer, num_tokens, experts)
        yield self._of_two("feed_forward_residual_add", layer, num_tokens, hidden)

    def _feed_forward(self, layer: int, num_tokens: int) -> Iterator[Operation]:
        hidden, inner, bias = self.spec.hidden_size, self.spec.intermediate_size, self.spec.mlp_bias
        yield self._product("gate_up_product", layer, num_tokens, 2 * inner, hidden, bias)
        yield self._of_two("silu_multiply", layer, num_tokens, inner)
        yield self._product("down_product", layer, num_tokens, hidden, inner, bias)

    def _experts(self, layer: int, num_tokens: int, experts: ExpertsSpec) -> Iterator[Operation]:
        hidden, inner, rows = self.spec.hidden_size, experts.inner_size, num_tokens * experts.num_chosen
        distinct = self._distinct_experts(layer, num_tokens, experts)
        yield self._product("router_product", layer, num_tokens, experts.num_experts, hidden)
        num_scores = num_tokens * experts.num_experts
        yield self._elementwise("expert_choice", layer, num_tokens, experts.num_chosen, num_scores)
        # a token's row is one operand, however many experts fetch it
        yield self._grouped_product(
            "expert_gate_up_product", layer, rows, 2 * inner, hidden, distinct, num_tokens * hidden
        )
        yield self._of_two("expert_silu_multiply", layer, rows, inner)
        yield self._grouped_product("expert_down_product", layer, rows, hidden, inner, distinct, rows * inner)
        # a row per chosen expert, and its weight
        yield self._elementwise("expert_sum", layer, num_tokens, hidden, num_read=rows * hidden + rows)

    def _distinct_experts(self, layer: int, num_tokens: int, experts: ExpertsSpec) -> int:
        """How many experts of a layer the step touches; an expectation is rounded to whole experts."""
        given = self.work.distinct_experts
        if given is None:
            return round(experts.expected_distinct(num_tokens))
        return given[self.spec.expert_layers.index(layer)]

    def _embedding(self, num_tokens: int) -> Operation:
        hidden = self.spec.hidden_size
        shape = (Size("tokens", num_tokens), Size("vocabulary", self.spec.vocab_size), Size("hidden", hidden))
        return Operation(
            name="embedding",
            layer=None,
            kind=OperationKind.EMBEDDING,
            shape=shape,
            formats=self._formats("weight", "output"),
            flops=0,
            weight_bytes=num_tokens * hidden * self.weight_format.num_bytes,
            read_bytes=0,
            written_bytes=num_tokens * hidden * self.activation_format.num_bytes,
        )

    def _product(
        self, name: str, layer: int | None, rows: int, outputs: int, inputs: int, bias: bool = False
    ) -> Operation:
        activation_bytes = self.activation_format.num_bytes
        return Operation(
            name=name,
            layer=layer,
            kind=OperationKind.MATMUL,
            shape=(Size("rows", rows), Size("outputs", outputs), Size("inputs", inputs)),
            formats=self._formats("weight", "input", "output"),
            flops=2 * rows * outputs * inputs,
            weight_bytes=(inputs + bias) * outputs * self.weight_format.num_bytes,
            read_bytes=rows * inputs * activation_bytes,
            written_bytes=rows * outputs * activation_bytes,
        )

    def _grouped_product(
        self, name: str, layer: int, rows: int, outputs: int, inputs: int, num_experts: int, num_read: int
    ) -> Operation:
        """Of rows that each belong to one of so many experts, with the weights of that expert."""
        return Operation(
            name=name,
            layer=layer,
            kind=OperationKind.GROUPED_MATMUL,
            shape=(
                Size("rows", rows),
                Size("experts", num_experts),
                Size("outputs", outputs),
                Size("inputs", inputs),
            ),
            formats=self._formats("weight", "input", "output"),
            flops=2 * rows * outputs * inputs,
            weight_bytes=num_experts * outputs * inputs * self.weight_format.num_bytes,
            read_bytes=num_read * self.activation_format.num_bytes,
            written_bytes=rows * outputs * self.activation_format.num_bytes,
        )

    def _norm(self, name: str, layer: int | None, rows: int, size: int) -> Operation:
        moved_bytes = rows * size * self.activation_format.num_bytes
        return Operation(
            name=name,
            layer=layer,
            kind=OperationKind.NORM,
            shape=(Size("rows", rows), Size("inputs", size)),
            formats=self._formats("weight", "input", "output"),
            flops=0,
            weight_bytes=size * self.weight_format.num_bytes,
            read_bytes=moved_bytes,
            written_bytes=moved_bytes,
        )

    def _elementwise(self, name: str, layer: int, rows: int, size: int, num_read: int) -> Operation:
        return Operation(
            name=name,
            layer=layer,
            kind=OperationKind.ELEMENTWISE,
            shape=(Size("rows", rows), Size("outputs", size)),
            formats=self._formats("input", "output"),
            flops=0,
            weight_bytes=0,
            read_bytes=num_read * self.activation_format.num_bytes,
            written_bytes=rows * size * self.activation_format.num_bytes,
        )

    def _of_two(self, name: str, layer: int, rows: int, size: int) -> Operation:
        return self._elementwise(name, layer, rows, size, num_read=2 * rows * size)

    def _rotary(self, layer: int, num_tokens: int) -> Operation:
        """Queries and keys of all heads; a cosine and a sine per token and dimension, shared by the heads."""
        rows, size = num_tokens * (self.spec.num_heads + self.spec.num_kv_heads), self.spec.head_dim
        return self._elementwise("rotary", layer, rows, size, num_read=rows * size + 2 * num_tokens * size)

    def _logits_conversion(self, rows: int, size: int) -> Operation:
        """Whoever samples gets float32, whatever the model computes in."""
        narrow, wide = self.activation_format, NumberFormat.FLOAT32
        return Operation(
            name="logits_conversion",
            layer=None,
            kind=OperationKind.ELEMENTWISE,
            shape=(Size("rows", rows), Size("outputs", size)),
            formats=(OperandFormat("input", narrow), OperandFormat("output", wide)),
            flops=0,
            weight_bytes=0,
            read_bytes=rows * size * narrow.num_bytes,
            written_bytes=rows * size * wide.num_bytes,
        )

    def _attention(self, layer: int, span: Span) -> Operation:
        """Keeps the span's new keys and values, then reads from the kept state all that its units see."""
        spec, window = self.spec, self.spec.layer_windows[layer]
        num_visible, num_pairs = span.num_visible(window), span.num_pairs(window)
        query_size, state_size = spec.num_heads * spec.head_dim, 2 * spec.num_kv_heads * spec.head_dim
        activation_bytes, state_bytes = self.activation_format.num_bytes, self.state_format.num_bytes
        return Operation(
            name="attention",
            layer=layer,
            kind=OperationKind.ATTENTION,
            shape=(
                Size("tokens", span.num_units),
                Size("visible", num_visible),
                Size("pairs", num_pairs),
                Size("heads", spec.num_heads),
                Size("kv_heads", spec.num_kv_heads),
                Size("head_dim", spec.head_dim),
            ),
            formats=self._formats("input", "state", "output"),
            # a product of query and key, and one of weight and value, per pair of positions
            flops=2 * 2 * num_pairs * query_size,
            weight_bytes=0,
            read_bytes=span.num_units * (query_size + state_size) * activation_bytes
            + num_visible * state_size * state_bytes,
            written_bytes=span.num_units * (query_size * activation_bytes + state_size * state_bytes),
        )

    def _formats(self, *operands: str) -> tuple[OperandFormat, ...]:
        return tuple(OperandFormat(operand, self._format(operand)) for operand in operands)

    def _format(self, operand: str) -> NumberFormat:
        if operand == "weight":
            return self.weight_format
        return self.state_format if operand == "state" else self.activation_format
