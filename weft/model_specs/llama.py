"""Llama (Touvron et al., arXiv 2302.13971; Llama 3, arXiv 2407.21783), as transformers' `LlamaConfig`."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_decoder, uniform_windows
from weft.model_specs.model_spec import ModelSpec


def read_llama(config: ConfigReader) -> ModelSpec:
    """The spec of a `LlamaForCausalLM`; `attention_bias` is for query, key, value and output alike."""
    if config.has("sliding_window"):
        raise config.refuse("sliding_window", "absent or null: Llama attends to everything")
    attention_bias = config.flag("attention_bias", False)
    return read_decoder(
        config,
        "LlamaForCausalLM",
        layer_windows=uniform_windows(config, None),
        default_kv_heads=None,
        default_head_dim=None,
        default_length_tokens=2048,
        qkv_bias=attention_bias,
        output_bias=attention_bias,
        mlp_bias=config.flag("mlp_bias", False),
    )
