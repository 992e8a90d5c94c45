"""Mistral 7B (Jiang et al., arXiv 2310.06825), as transformers' `MistralConfig`."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_decoder, uniform_windows
from weft.model_specs.model_spec import ModelSpec

DEFAULT_WINDOW_TOKENS = 4096


def read_mistral(config: ConfigReader) -> ModelSpec:
    """The spec of a `MistralForCausalLM`; a `sliding_window` of null means none, an absent one the default."""
    window_tokens = (
        config.optional_size("sliding_window") if "sliding_window" in config.values else DEFAULT_WINDOW_TOKENS
    )
    return read_decoder(
        config,
        "MistralForCausalLM",
        layer_windows=uniform_windows(config, window_tokens),
        default_kv_heads=8,
        default_head_dim=None,
        default_length_tokens=4096 * 32,
    )
