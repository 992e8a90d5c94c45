"""What the configs of all decoder families share: sizes, layer windows, and what is refused."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.rope_config import read_rope
from weft.model_specs.stored_format import read_format

MOST_LAYERS = 10_000
"""Ten times those of DeepNet (arXiv 2203.00555); keeps a wrong number from filling the memory."""

MOST_HEAD_DIM = 8192
"""32 times that of the widest heads in use (256); bounds the table of frequencies."""

LEAST_NORM_EPS, MOST_NORM_EPS = 1e-20, 1.0

FULL, SLIDING = "full_attention", "sliding_attention"

UNSUPPORTED: dict[str, tuple[object, ...]] = {
    "quantization_config": (),
    "compression_config": (),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "pruned_heads": ({},),
    "per_layer_config": ({},),
    "dual_chunk_attention_config": (),
    "attention_sinks": (False, 0),
    "attention_sink_size": (0,),
    "attn_logit_softcapping": (),
    "final_logit_softcapping": (),
    "attention_multiplier": (1.0,),
    "embedding_multiplier": (1.0,),
    "logits_scaling": (1.0,),
    "residual_multiplier": (1.0,),
    "use_qk_norm": (False,),
}
"""Keys that change what a model computes in a way that is not written here, each with the values that do not.

Keys beyond these do not reach the numbers: dropout and initialisation are for training; `pretraining_tp`
tells how the product was once split, which leaves it the same product; `use_cache` is the server's affair.
"""


def refuse_unsupported(config: ConfigReader) -> None:
    """Raises `ConfigurationError` on a key whose effect we would leave out."""
    for key, harmless in UNSUPPORTED.items():
        if config.has(key) and not any(config.values[key] == value for value in harmless):
            raise config.refuse(key, "absent or null: what it asks for is not supported")
    activation = config.text("hidden_act", "silu")
    if activation not in ("silu", "swish"):
        raise config.refuse("hidden_act", "'silu' (or its other name 'swish')")


def read_decoder(
    config: ConfigReader,
    architecture: str,
    *,
    layer_windows: tuple[int | None, ...],
    default_kv_heads: int | None,
    default_head_dim: int | None,
    default_length_tokens: int,
    qkv_bias: bool = False,
    output_bias: bool = False,
    mlp_bias: bool = False,
    has_head_norms: bool = False,
    experts: ExpertsSpec | None = None,
) -> ModelSpec:
    """A spec from the keys that all families share and what the family adds.

    `default_kv_heads`: where the key is absent; None, as null in the file, means as many as query heads.
    `default_head_dim`: None means `hidden_size / num_attention_heads`.
    """
    refuse_unsupported(config)
    num_heads = config.size("num_attention_heads")
    head_dim = _read_head_dim(config, num_heads, default_head_dim)
    stated_tokens = config.size("max_position_embeddings", default_length_tokens)
    rope = read_rope(config, head_dim, stated_tokens)
    return ModelSpec(
        architecture=architecture,
        vocab_size=config.size("vocab_size"),
        hidden_size=config.size("hidden_size"),
        num_heads=num_heads,
        num_kv_heads=_read_kv_heads(config, num_heads, default_kv_heads),
        head_dim=head_dim,
        intermediate_size=config.size("intermediate_size"),
        layer_windows=layer_windows,
        norm_eps=config.number("rms_norm_eps", 1e-6, least=LEAST_NORM_EPS, most=MOST_NORM_EPS),
        rope=rope,
        max_length_tokens=rope.scaling.max_length_tokens(stated_tokens) if rope.scaling else stated_tokens,
        ties_embeddings=config.flag("tie_word_embeddings", False),
        qkv_bias=qkv_bias,
        output_bias=output_bias,
        mlp_bias=mlp_bias,
        has_head_norms=has_head_norms,
        stored_format=read_format(config),
        experts=experts,
    )


def _read_head_dim(config: ConfigReader, num_heads: int, default: int | None) -> int:
    hidden_size = config.size("hidden_size")
    if default is None and not config.has("head_dim") and hidden_size % num_heads:
        raise config.refuse("hidden_size", f"a multiple of num_attention_heads ({num_heads})")
    head_dim = config.size("head_dim", default or hidden_size // num_heads)
    key = "head_dim" if config.has("head_dim") else "hidden_size"
    if head_dim % 2:
        raise config.refuse(key, f"such that a head has an even number of dimensions, not {head_dim}")
    if head_dim > MOST_HEAD_DIM:
        raise config.refuse(key, f"such that a head has at most {MOST_HEAD_DIM} dimensions, not {head_dim}")
    return head_dim


def _read_kv_heads(config: ConfigReader, num_heads: int, default: int | None) -> int:
    key = "num_key_value_heads"
    absent = num_heads if key in config.values or default is None else default
    num_kv_heads = config.size(key, absent)
    if num_heads % num_kv_heads:
        raise config.refuse(key, f"a divisor of num_attention_heads ({num_heads}), not {num_kv_heads}")
    return num_kv_heads


def read_num_layers(config: ConfigReader) -> int:
    """How many layers the model has."""
    return config.size("num_hidden_layers", most=MOST_LAYERS)


def uniform_windows(config: ConfigReader, window_tokens: int | None) -> tuple[int | None, ...]:
    """The same window in each layer; refuses `layer_types` that say otherwise, since runtimes differ on them."""
    num_layers = read_num_layers(config)
    meant = FULL if window_tokens is None else SLIDING
    layer_types = config.choices("layer_types", (FULL, SLIDING))
    if layer_types is not None and layer_types != (meant,) * num_layers:
        raise config.refuse("layer_types", f"absent, or {meant!r} for each of the {num_layers} layers")
    return (window_tokens,) * num_layers
