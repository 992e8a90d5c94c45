"""Operations of attention: one per span, because each reads state of its own."""

from collections.abc import Iterator

from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Operation, Size, Span
from weft.model_specs.shard import Shard
from weft.model_specs.structure import LatentAttention


def attention_inputs(
    shard: Shard, build: OperationBuilder, layer: int, num_tokens: int
) -> Iterator[Operation]:
    """From the normalised hidden states to queries, keys and values, rotated."""
    spec, latent = shard.spec, shard.spec.structure.latent
    if latent is not None:
        yield from _latent_inputs(shard, latent, build, layer, num_tokens)
        return
    heads = shard.num_heads + 2 * shard.num_kv_heads
    yield build.product(
        "qkv_product", layer, num_tokens, heads * spec.head_dim, spec.hidden_size, spec.qkv_bias
    )
    if spec.has_head_norms:
        yield build.norm("query_norm", layer, num_tokens * shard.num_heads, spec.head_dim)
        yield build.norm("key_norm", layer, num_tokens * shard.num_kv_heads, spec.head_dim)
    if not spec.structure.learned_positions:
        yield _rotary(build, layer, num_tokens, shard.num_heads + shard.num_kv_heads, spec.head_dim)


def attention_output(shard: Shard, build: OperationBuilder, layer: int, num_tokens: int) -> Operation:
    """Back to the hidden size, from the heads of this device."""
    latent = shard.spec.structure.latent
    inputs = shard.num_heads * (shard.spec.head_dim if latent is None else latent.value_dim)
    return build.product(
        "output_product", layer, num_tokens, shard.spec.hidden_size, inputs, shard.spec.output_bias
    )


def attention_spans(
    shard: Shard, build: OperationBuilder, layer: int, spans: tuple[Span, ...]
) -> Iterator[Operation]:
    """Keeps the spans' new state, then reads of the kept state all that their units see."""
    latent = shard.spec.structure.latent
    if latent is None:
        for span in spans:
            yield _attention(shard, build, layer, span)
    else:
        yield from _latent_spans(shard, latent, build, layer, spans)


def _rotary(build: OperationBuilder, layer: int, num_tokens: int, num_heads: int, size: int) -> Operation:
    """A cosine and a sine per token and dimension, shared by the heads."""
    rows = num_tokens * num_heads
    return build.elementwise("rotary", layer, rows, size, num_read=rows * size + 2 * num_tokens * size)


def _attention(shard: Shard, build: OperationBuilder, layer: int, span: Span) -> Operation:
    spec, window = shard.spec, shard.spec.layer_windows[layer]
    num_visible, num_pairs = span.num_visible(window), span.num_pairs(window)
    query_size, state_size = shard.num_heads * spec.head_dim, shard.state_size
    shape = (
        Size("tokens", span.num_units),
        Size("visible", num_visible),
        Size("pairs", num_pairs),
        Size("heads", shard.num_heads),
        Size("kv_heads", shard.num_kv_heads),
        Size("head_dim", spec.head_dim),
    )
    return build.attention(
        layer,
        shape,
        # a product of query and key, and one of weight and value, per pair of positions
        flops=2 * 2 * num_pairs * query_size,
        read=(span.num_units * (query_size + state_size), num_visible * state_size),
        written=(span.num_units * query_size, span.num_units * state_size),
    )


def _latent_inputs(
    shard: Shard, latent: LatentAttention, build: OperationBuilder, layer: int, num_tokens: int
) -> Iterator[Operation]:
    hidden, head_dim = shard.spec.hidden_size, shard.spec.head_dim
    yield build.product("down_projection_product", layer, num_tokens, latent.down_size, hidden)
    yield build.norm("query_rank_norm", layer, num_tokens, latent.query_rank)
    yield build.norm("state_rank_norm", layer, num_tokens, latent.state_rank)
    yield build.product("query_product", layer, num_tokens, shard.num_heads * head_dim, latent.query_rank)
    yield _rotary(build, layer, num_tokens, shard.num_heads + 1, latent.rotary_dim)


def _latent_spans(
    shard: Shard, latent: LatentAttention, build: OperationBuilder, layer: int, spans: tuple[Span, ...]
) -> Iterator[Operation]:
    """Single units meet the compressed state itself: the expansion is absorbed into query and output (DeepSeek-V2,
    section 2.1.2). Longer spans expand all that they see, which costs them fewer flops."""
    single = [span for span in spans if span.num_units == 1]
    longer = [span for span in spans if span.num_units > 1]
    heads, window = shard.num_heads, shard.spec.layer_windows[layer]
    if single:
        rank, plain, value = latent.state_rank, latent.plain_dim, latent.value_dim
        yield build.product_per_head("query_absorption_product", layer, len(single), heads, rank, plain)
        for span in single:
            yield _latent_attention(shard, latent, build, layer, span)
        yield build.product_per_head("value_expansion_product", layer, len(single), heads, value, rank)
    if longer:
        visible = sum(span.num_visible(window) for span in longer)
        expanded = heads * (latent.plain_dim + latent.value_dim)
        yield build.product("state_expansion_product", layer, visible, expanded, latent.state_rank)
        for span in longer:
            yield _expanded_attention(shard, latent, build, layer, span)


def _latent_attention(
    shard: Shard, latent: LatentAttention, build: OperationBuilder, layer: int, span: Span
) -> Operation:
    visible, heads = span.num_visible(shard.spec.layer_windows[layer]), shard.num_heads
    query_size, output_size = heads * latent.state_size, heads * latent.state_rank
    return build.attention(
        layer,
        _latent_shape(span, visible, visible, heads, 1, latent.state_size),
        flops=2 * visible * (query_size + output_size),
        read=(query_size + latent.state_size, visible * latent.state_size),
        written=(output_size, latent.state_size),
    )


def _expanded_attention(
    shard: Shard, latent: LatentAttention, build: OperationBuilder, layer: int, span: Span
) -> Operation:
    """Expanded keys and values are activations; of the state only the shared keys are read again."""
    window, heads, units = shard.spec.layer_windows[layer], shard.num_heads, span.num_units
    visible, pairs = span.num_visible(window), span.num_pairs(window)
    query_size, output_size = heads * shard.spec.head_dim, heads * latent.value_dim
    expanded = heads * (latent.plain_dim + latent.value_dim)
    return build.attention(
        layer,
        _latent_shape(span, visible, pairs, heads, heads, shard.spec.head_dim),
        flops=2 * pairs * (query_size + output_size),
        read=(units * (query_size + latent.state_size) + visible * expanded, visible * latent.rotary_dim),
        written=(units * output_size, units * latent.state_size),
    )


def _latent_shape(
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
