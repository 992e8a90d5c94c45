"""Qwen3 (Yang et al., arXiv 2505.09388), as transformers' `Qwen3Config`."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_decoder
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.qwen_windows import read_windows


def read_qwen3(config: ConfigReader) -> ModelSpec:
    """The spec of a `Qwen3ForCausalLM`: heads of their own size, with norms; `attention_bias` as in Llama."""
    attention_bias = config.flag("attention_bias", False)
    return read_decoder(
        config,
        "Qwen3ForCausalLM",
        layer_windows=read_windows(config),
        default_kv_heads=32,
        default_head_dim=128,
        default_length_tokens=32768,
        qkv_bias=attention_bias,
        output_bias=attention_bias,
        has_head_norms=True,
    )
