"""Qwen2 and Qwen2.5 (Yang et al., arXiv 2407.10671, 2412.15115), as transformers' `Qwen2Config`."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_decoder
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.qwen_windows import read_windows


def read_qwen2(config: ConfigReader) -> ModelSpec:
    """The spec of a `Qwen2ForCausalLM`, whose query, key and value products always add a bias."""
    return read_decoder(
        config,
        "Qwen2ForCausalLM",
        layer_windows=read_windows(config),
        default_kv_heads=32,
        default_head_dim=None,
        default_length_tokens=32768,
        qkv_bias=True,
    )
