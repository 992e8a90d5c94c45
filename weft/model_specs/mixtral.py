"""Mixtral (Jiang et al., arXiv 2401.04088), as transformers' `MixtralConfig`; for planning."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_decoder, uniform_windows
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec


def read_mixtral(config: ConfigReader) -> ModelSpec:
    """The spec of a `MixtralForCausalLM`: Mistral whose layers all have experts of `intermediate_size`."""
    experts = ExpertsSpec(
        num_experts=config.size("num_local_experts", 8),
        num_chosen=config.size("num_experts_per_tok", 2),
        inner_size=config.size("intermediate_size"),
        sums_to_one=True,
    )
    return read_decoder(
        config,
        "MixtralForCausalLM",
        layer_windows=uniform_windows(config, config.optional_size("sliding_window")),
        default_kv_heads=8,
        default_head_dim=None,
        default_length_tokens=4096 * 32,
        experts=experts,
    )
