"""Operations of attention: one per span, because each reads state of its own."""

from collections.abc import Iterator

from weft.model_specs.context_exchange import ContextExchange
from weft.model_specs.latent_operations import latent_inputs, latent_spans
from weft.model_specs.linear_operations import linear
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Operation, Size, Span
from weft.model_specs.shard import Shard


def attention_inputs(
    shard: Shard, build: OperationBuilder, layer: int, num_tokens: int
) -> Iterator[Operation]:
    """From the normalised hidden states to queries, keys and values, rotated."""
    spec, latent = shard.spec, shard.spec.structure.latent
    if latent is not None:
        yield from latent_inputs(shard, latent, build, layer, num_tokens)
        return
    heads = shard.num_heads + 2 * shard.num_kv_heads
    yield from linear(
        build, "qkv_product", layer, num_tokens, heads * spec.head_dim, spec.hidden_size, spec.qkv_bias
    )
    if spec.has_head_norms:
        yield build.norm("query_norm", layer, num_tokens * shard.num_heads, spec.head_dim)
        yield build.norm("key_norm", layer, num_tokens * shard.num_kv_heads, spec.head_dim)
    if not spec.structure.learned_positions:
        yield build.rotary(layer, num_tokens, shard.num_heads + shard.num_kv_heads, spec.head_dim)


def attention_output(
    shard: Shard, build: OperationBuilder, layer: int, num_tokens: int
) -> Iterator[Operation]:
    """Back to the hidden size, from the heads of this device."""
    latent = shard.spec.structure.latent
    inputs = shard.num_heads * (shard.spec.head_dim if latent is None else latent.value_dim)
    yield from linear(
        build, "output_product", layer, num_tokens, shard.spec.hidden_size, inputs, shard.spec.output_bias
    )


def attention_spans(
    shard: Shard, build: OperationBuilder, layer: int, spans: tuple[Span, ...]
) -> Iterator[Operation]:
    """Keeps the spans' new state, then reads of the kept state all that their units see."""
    single = [span for span in spans if span.num_units == 1]
    longer = [span for span in spans if span.num_units > 1]
    exchange, latent = ContextExchange(shard, build, layer), shard.spec.structure.latent
    if latent is not None:
        yield from latent_spans(shard, latent, exchange, single, longer)
        return
    query_size = shard.num_heads * shard.spec.head_dim
    visible = sum(span.num_visible(shard.spec.layer_windows[layer]) for span in longer)
    yield from exchange.units(len(single), query_size + shard.state_size)
    yield from exchange.state(visible, shard.state_size)
    for span in spans:
        attend = _single_attention if span.num_units == 1 else _chunk_attention
        yield attend(shard, exchange, span)
    yield from exchange.outputs(len(single), query_size)


def _single_attention(shard: Shard, exchange: ContextExchange, span: Span) -> Operation:
    """Of a unit on every rank, with the part of its state that the rank keeps."""
    query_size, ranks = shard.num_heads * shard.spec.head_dim, shard.plan.cp
    own_state = shard.state_size // ranks
    num_visible = span.num_visible(shard.spec.layer_windows[exchange.layer])
    return exchange.build.attention(
        exchange.layer,
        _shape(shard, exchange, span),
        # a product of query and key, and one of weight and value, per pair of positions
        flops=2 * 2 * num_visible * query_size // ranks,
        read=(query_size + own_state, num_visible * own_state),
        written=(query_size + exchange.num_weights, own_state),
    )


def _chunk_attention(shard: Shard, exchange: ContextExchange, span: Span) -> Operation:
    """Of the units of a rank, with all that they see."""
    window, ranks = shard.spec.layer_windows[exchange.layer], shard.plan.cp
    query_size, state_size = shard.num_heads * shard.spec.head_dim, shard.state_size
    own_queries, own_state = span.num_units * query_size // ranks, span.num_units * state_size // ranks
    return exchange.build.attention(
        exchange.layer,
        _shape(shard, exchange, span),
        flops=2 * 2 * span.num_pairs(window) * query_size // ranks,
        read=(own_queries + own_state, span.num_visible(window) * state_size),
        written=(own_queries, own_state),
    )


def _shape(shard: Shard, exchange: ContextExchange, span: Span) -> tuple[Size, ...]:
    window = shard.spec.layer_windows[exchange.layer]
    return (
        Size("tokens", span.num_units),
        Size("visible", span.num_visible(window)),
        Size("pairs", span.num_pairs(window)),
        Size("heads", shard.num_heads),
        Size("kv_heads", shard.num_kv_heads),
        Size("head_dim", shard.spec.head_dim),
    )
