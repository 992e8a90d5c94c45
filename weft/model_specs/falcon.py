"""Falcon (Almazrouei et al., arXiv 2311.16867), as transformers' `FalconConfig`; for planning."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_num_layers
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.rope_config import read_rope
from weft.model_specs.stored_format import read_format
from weft.model_specs.structure import Structure


def read_falcon(config: ConfigReader) -> ModelSpec:
    """The spec of a `FalconForCausalLM` with rotary positions, whose layers are parallel."""
    new, bias = config.flag("new_decoder_architecture", False), config.flag("bias", False)
    if config.flag("alibi", False):
        raise config.refuse("alibi", "false: linear biases of attention are not supported")
    if not new and not config.flag("parallel_attn", True):
        raise config.refuse("parallel_attn", "true")
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    if hidden % heads:
        raise config.refuse("hidden_size", f"a multiple of num_attention_heads ({heads})")
    length = config.size("max_position_embeddings", 2048)
    return ModelSpec(
        architecture="FalconForCausalLM",
        vocab_size=config.size("vocab_size"),
        hidden_size=hidden,
        num_heads=heads,
        num_kv_heads=_read_kv_heads(config, heads, new),
        head_dim=hidden // heads,
        intermediate_size=config.size("ffn_hidden_size", 4 * hidden),
        layer_windows=(None,) * read_num_layers(config),
        norm_eps=config.number("layer_norm_epsilon", 1e-5, least=1e-20, most=1.0),
        rope=read_rope(config, hidden // heads, length),
        max_length_tokens=length,
        ties_embeddings=config.flag("tie_word_embeddings", True),
        qkv_bias=bias,
        output_bias=bias,
        mlp_bias=bias,
        has_head_norms=False,
        stored_format=read_format(config),
        structure=Structure(gated=False, norm_bias=True, parallel=True, norms_per_layer=2 if new else 1),
    )


def _read_kv_heads(config: ConfigReader, num_heads: int, new_architecture: bool) -> int:
    if new_architecture:
        return config.size("num_kv_heads", num_heads)
    return 1 if config.flag("multi_query", True) else num_heads
