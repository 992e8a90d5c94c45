"""Operations of latent attention (`LatentAttention`), which keeps keys and values compressed."""

from collections.abc import Iterator, Sequence

from weft.model_specs.context_exchange import ContextExchange
from weft.model_specs.linear_operations import linear
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Operation, Size, Span
from weft.model_specs.shard import Shard
from weft.model_specs.structure import LatentAttention


def latent_inputs(
    shard: Shard, latent: LatentAttention, build: OperationBuilder, layer: int, num_tokens: int
) -> Iterator[Operation]:
    """From the normalised hidden states to queries and compressed state, the shared parts rotated."""
    hidden, head_dim = shard.spec.hidden_size, shard.spec.head_dim
    yield from linear(build, "down_projection_product", layer, num_tokens, latent.down_size, hidden)
    yield build.norm("query_rank_norm", layer, num_tokens, latent.query_rank)
    yield build.norm("state_rank_norm", layer, num_tokens, latent.state_rank)
    yield from linear(
        build, "query_product", layer, num_tokens, shard.num_heads * head_dim, latent.query_rank
    )
    yield build.rotary(layer, num_tokens, shard.num_heads + 1, latent.rotary_dim)


def latent_spans(
    shard: Shard,
    latent: LatentAttention,
    exchange: ContextExchange,
    single: Sequence[Span],
    longer: Sequence[Span],
) -> Iterator[Operation]:
    """Single units meet the compressed state itself: the expansion is absorbed into query and output (DeepSeek-V2,
    section 2.1.2). Longer spans expand all that they see, which costs them fewer flops."""
    if single:
        yield from _absorbed(shard, latent, exchange, single)
    if longer:
        yield from _expanded(shard, latent, exchange, longer)


def _absorbed(
    shard: Shard, latent: LatentAttention, exchange: ContextExchange, spans: Sequence[Span]
) -> Iterator[Operation]:
    build, layer, heads, ranks = exchange.build, exchange.layer, shard.num_heads, shard.plan.cp
    rank, plain, value = latent.state_rank, latent.plain_dim, latent.value_dim
    yield build.product_per_head("query_absorption_product", layer, len(spans), heads, rank, plain, ranks)
    yield from exchange.units(len(spans), (heads + 1) * latent.state_size)
    for span in spans:
        yield _absorbed_attention(shard, latent, exchange, span)
    yield from exchange.outputs(len(spans), heads * rank)
    yield build.product_per_head("value_expansion_product", layer, len(spans), heads, value, rank, ranks)


def _expanded(
    shard: Shard, latent: LatentAttention, exchange: ContextExchange, spans: Sequence[Span]
) -> Iterator[Operation]:
    visible = sum(span.num_visible(shard.spec.layer_windows[exchange.layer]) for span in spans)
    expanded = shard.num_heads * (latent.plain_dim + latent.value_dim)
    yield from exchange.state(visible, latent.state_size)
    yield from linear(
        exchange.build, "state_expansion_product", exchange.layer, visible, expanded, latent.state_rank
    )
    for span in spans:
        yield _expanded_attention(shard, latent, exchange, span)


def _absorbed_attention(
    shard: Shard, latent: LatentAttention, exchange: ContextExchange, span: Span
) -> Operation:
    visible, heads = span.num_visible(shard.spec.layer_windows[exchange.layer]), shard.num_heads
    query_size, output_size = heads * latent.state_size, heads * latent.state_rank
    own_state = latent.state_size // shard.plan.cp
    return exchange.build.attention(
        exchange.layer,
        _shape(span, visible, visible, heads, 1, latent.state_size),
        flops=2 * visible * (query_size + output_size) // shard.plan.cp,
        read=(query_size + own_state, visible * own_state),
        written=(output_size + exchange.num_weights, own_state),
    )


def _expanded_attention(
    shard: Shard, latent: LatentAttention, exchange: ContextExchange, span: Span
) -> Operation:
    """Expanded keys and values are activations; of the state only the shared keys are read again."""
    window, heads, ranks = shard.spec.layer_windows[exchange.layer], shard.num_heads, shard.plan.cp
    visible, pairs, units = span.num_visible(window), span.num_pairs(window), span.num_units
    query_size, output_size = heads * shard.spec.head_dim, heads * latent.value_dim
    expanded = heads * (latent.plain_dim + latent.value_dim)
    own_inputs = units * (query_size + latent.state_size) // ranks
    return exchange.build.attention(
        exchange.layer,
        _shape(span, visible, pairs, heads, heads, shard.spec.head_dim),
        flops=2 * pairs * (query_size + output_size) // ranks,
        read=(own_inputs + visible * expanded, visible * latent.rotary_dim),
        written=(units * output_size // ranks, units * latent.state_size // ranks),
    )


def _shape(
    span: Span, visible: int, pairs: int, heads: int, kv_heads: int, head_dim: int
) -> tuple[Size, ...]:
    return (
        Size("tokens", span.num_units),
        Size("visible", visible),
        Size("pairs", pairs),
        Size("heads", heads),
        Size("kv_heads", kv_heads),
        Size("head_dim", head_dim),
    )
