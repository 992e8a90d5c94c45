"""Decoders with a table of positions, layer norms and biases everywhere: OPT, GPT-2 and GPT-3; for planning.

OPT: Zhang et al., arXiv 2205.01068, as transformers' `OPTConfig`. GPT-3: Brown et al., arXiv 2005.14165, has the
structure of GPT-2 (transformers' `GPT2Config`) but for layers that attend to a band; here they attend to everything.
"""

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import MOST_LAYERS
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.rope import RopeSpec
from weft.model_specs.stored_format import read_format
from weft.model_specs.structure import Structure

OPT_OFFSET = 2
"""Rows of OPT's table of positions in front of the first."""


def read_opt(config: ConfigReader) -> ModelSpec:
    """The spec of an `OPTForCausalLM` whose embeddings are as wide as its layers (all but the one of 350 M)."""
    hidden = config.size("hidden_size")
    if config.size("word_embed_proj_dim", hidden) != hidden:
        raise config.refuse("word_embed_proj_dim", f"absent or hidden_size ({hidden})")
    if not config.flag("do_layer_norm_before", True):
        raise config.refuse("do_layer_norm_before", "true")
    if not config.flag("enable_bias", True):
        raise config.refuse("enable_bias", "true")
    length = config.size("max_position_embeddings", 2048)
    return _spec(
        "OPTForCausalLM",
        config,
        hidden,
        config.size("num_attention_heads"),
        config.size("num_hidden_layers", most=MOST_LAYERS),
        config.size("ffn_dim", 4 * hidden),
        (length, length + OPT_OFFSET),
    )


def read_gpt2(config: ConfigReader) -> ModelSpec:
    """The spec of a `GPT2LMHeadModel`."""
    hidden, length = config.size("n_embd"), config.size("n_positions", 1024)
    return _spec(
        "GPT2LMHeadModel",
        config,
        hidden,
        config.size("n_head"),
        config.size("n_layer", most=MOST_LAYERS),
        config.size("n_inner", 4 * hidden),
        (length, length),
    )


def _spec(
    architecture: str,
    config: ConfigReader,
    hidden: int,
    heads: int,
    num_layers: int,
    inner: int,
    positions: tuple[int, int],
) -> ModelSpec:
    """`positions`: the longest sequence, and the rows of the table."""
    if hidden % heads:
        raise ConfigurationError(f"a hidden size of {hidden} cannot be cut into {heads} heads")
    return ModelSpec(
        architecture=architecture,
        vocab_size=config.size("vocab_size"),
        hidden_size=hidden,
        num_heads=heads,
        num_kv_heads=heads,
        head_dim=hidden // heads,
        intermediate_size=inner,
        layer_windows=(None,) * num_layers,
        norm_eps=config.number("layer_norm_epsilon", 1e-5, least=1e-20, most=1.0),
        rope=RopeSpec(10_000.0, hidden // heads),
        max_length_tokens=positions[0],
        ties_embeddings=config.flag("tie_word_embeddings", True),
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        has_head_norms=False,
        stored_format=read_format(config, NumberFormat.FLOAT16),
        structure=Structure(gated=False, norm_bias=True, learned_positions=positions[1]),
    )
