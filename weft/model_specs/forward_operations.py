"""The operations of one forward pass of a decoder, in the order in which they run.

Query, key and value are one product, gate and up another; every row of a step goes through each product
together. Under tensor parallelism (Megatron-LM, arXiv 1909.08053, section 3) the embedding table is cut by rows, each
layer sums over the devices after attention and after the feed-forward (once in a parallel layer), and the
logits are gathered. Under context parallelism each rank has its share of the tokens, for which it computes all but
attention on its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs.attention_operations import attention_inputs, attention_output, attention_spans
from weft.model_specs.expert_operations import ExpertOperations
from weft.model_specs.linear_operations import linear
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Formats, ForwardWork, Operation, OperationKind
from weft.model_specs.shard import Shard


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """Lists operations of `work` for one model on one device of each stage, in one choice of formats."""

    shard: Shard
    work: ForwardWork
    formats: Formats

    def __post_init__(self) -> None:
        given, num_layers = self.work.distinct_experts, len(self.shard.spec.expert_layers)
        if given is None:
            return
        if len(given) != num_layers:
            raise ConfigurationError(
                f"distinct_experts has {len(given)} numbers; give one for each of the {num_layers} layers with experts"
            )
        if self.shard.spec.experts is not None:
            self.shard.spec.experts.check_distinct(given, self.work.num_units)

    def operations(self) -> Iterator[Operation]:
        """All of them, stage after stage; none where there is no work."""
        for stage in range(self.shard.plan.pp):
            yield from self.stage_operations(stage)

    def stage_operations(self, stage: int) -> Iterator[Operation]:
        """Those of a device of one stage, with the sending of hidden states to the next."""
        if self.work.num_units == 0:
            return
        if stage == 0:
            yield from self.embedding_operations()
        for layer in self.shard.plan.stage_layers(self.shard.spec.num_layers)[stage]:
            yield from self.layer_operations(stage, layer)
        if stage == self.shard.plan.pp - 1:
            yield from self.final_operations()
            yield from self.logits_operations()
        else:
            yield self.handover(stage)

    def embedding_operations(self) -> Iterator[Operation]:
        """Rows of the table, from the devices that have them, and positions where these are learned."""
        build, tokens, hidden = self._build(0), self._tokens, self.shard.spec.hidden_size
        read = ceil(tokens * hidden / self.shard.plan.tp)
        yield build.embedding("embedding", tokens, self.shard.vocab_size, hidden, read)
        yield from self._sum("embedding_all_reduce", build, None)
        positions = self.shard.spec.structure.learned_positions
        if positions:
            yield build.embedding("position_embedding", tokens, positions, hidden, tokens * hidden)
            yield build.of_two("position_add", None, tokens, hidden)

    def layer_operations(self, stage: int, layer: int) -> Iterator[Operation]:
        """Those of one layer, of which attention alone depends on the spans and not only on their units."""
        build = self._build(stage)
        if self.shard.spec.structure.parallel:
            yield from self._parallel_layer(build, layer)
        else:
            yield from self._attention_half(build, layer)
            yield from self._feed_forward_half(build, layer)

    def span_operations(self, stage: int, layer: int) -> Iterator[Operation]:
        """Of these, what depends on the spans."""
        return attention_spans(self.shard, self._build(stage), layer, self.work.spans)

    def final_operations(self) -> Iterator[Operation]:
        """Hidden states of all rows are normalised: whoever embeds text or drafts tokens wants them."""
        build = self._build(self.shard.plan.pp - 1)
        yield self._norm("final_norm", build, None)

    def logits_operations(self) -> Iterator[Operation]:
        """None where nobody wants logits."""
        build, rows = self._build(self.shard.plan.pp - 1), self.shard.own_units(self.work.num_outputs)
        if rows == 0:
            return
        yield build.product("logits_product", None, rows, self.shard.vocab_size, self.shard.spec.hidden_size)
        if self.shard.plan.tp > 1:
            numbers, axis = rows * self.shard.spec.vocab_size, (Axis.TENSOR, self.shard.plan.tp)
            yield build.communication(OperationKind.ALL_GATHER, "logits_all_gather", None, axis, numbers)
        if self.formats.activation is not NumberFormat.FLOAT32:
            # whoever samples gets float32, whatever the model computes in
            yield build.float32_conversion("logits_conversion", rows, self.shard.spec.vocab_size)

    def handover(self, stage: int) -> Operation:
        """Each device sends the hidden states to its peer of the next stage."""
        numbers = self._tokens * self.shard.spec.hidden_size
        return self._build(stage).communication(
            OperationKind.SEND, "stage_handover", None, (Axis.PIPELINE, 2), numbers
        )

    def _parallel_layer(self, build: OperationBuilder, layer: int) -> Iterator[Operation]:
        tokens, hidden = self._tokens, self.shard.spec.hidden_size
        yield self._norm("attention_norm", build, layer)
        if self.shard.spec.structure.norms_per_layer == 2:
            yield self._norm("feed_forward_norm", build, layer)
        yield from self._attention(build, layer)
        yield from self._feed_forward_or_experts(build, layer)
        yield build.of_two("branch_add", layer, tokens, hidden)
        yield from self._sum("layer_all_reduce", build, layer)
        yield build.of_two("residual_add", layer, tokens, hidden)

    def _attention_half(self, build: OperationBuilder, layer: int) -> Iterator[Operation]:
        yield self._norm("attention_norm", build, layer)
        yield from self._attention(build, layer)
        yield from self._sum("attention_all_reduce", build, layer)
        hidden = self.shard.spec.hidden_size
        yield build.of_two("attention_residual_add", layer, self._tokens, hidden)

    def _attention(self, build: OperationBuilder, layer: int) -> Iterator[Operation]:
        yield from attention_inputs(self.shard, build, layer, self._tokens)
        yield from attention_spans(self.shard, build, layer, self.work.spans)
        yield from attention_output(self.shard, build, layer, self._tokens)

    def _feed_forward_half(self, build: OperationBuilder, layer: int) -> Iterator[Operation]:
        yield self._norm("feed_forward_norm", build, layer)
        yield from self._feed_forward_or_experts(build, layer)
        yield from self._sum("feed_forward_all_reduce", build, layer)
        hidden = self.shard.spec.hidden_size
        yield build.of_two("feed_forward_residual_add", layer, self._tokens, hidden)

    def _feed_forward_or_experts(self, build: OperationBuilder, layer: int) -> Iterator[Operation]:
        experts = self.shard.spec.experts_of(layer)
        if experts is None:
            yield from self._feed_forward(build, layer)
            return
        given = self.work.distinct_experts
        distinct = None if given is None else given[self.shard.spec.expert_layers.index(layer)]
        yield from ExpertOperations(self.shard, build, experts, layer, self._tokens, distinct).operations()

    def _feed_forward(self, build: OperationBuilder, layer: int) -> Iterator[Operation]:
        spec, tokens, inner = self.shard.spec, self._tokens, self.shard.intermediate_size
        hidden, bias = spec.hidden_size, spec.mlp_bias
        if spec.structure.gated:
            yield from linear(build, "gate_up_product", layer, tokens, 2 * inner, hidden, bias)
            yield build.of_two("silu_multiply", layer, tokens, inner)
        else:
            yield from linear(build, "up_product", layer, tokens, inner, hidden, bias)
            yield build.elementwise("activation", layer, tokens, inner, num_read=tokens * inner)
        yield from linear(build, "down_product", layer, tokens, hidden, inner, bias)

    def _norm(self, name: str, build: OperationBuilder, layer: int | None) -> Operation:
        spec = self.shard.spec
        return build.norm(name, layer, self._tokens, spec.hidden_size, spec.structure.norm_bias)

    def _sum(self, name: str, build: OperationBuilder, layer: int | None) -> Iterator[Operation]:
        """Over the devices that each have a part of the sum."""
        if self.shard.plan.tp > 1:
            numbers, axis = (
                self._tokens * self.shard.spec.hidden_size,
                (Axis.TENSOR, self.shard.plan.tp),
            )
            yield build.communication(OperationKind.ALL_REDUCE, name, layer, axis, numbers)

    @property
    def _tokens(self) -> int:
        return self.shard.own_units(self.work.num_units)

    def _build(self, stage: int) -> OperationBuilder:
        return OperationBuilder(self.formats, stage)
