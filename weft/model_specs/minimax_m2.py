"""MiniMax-M2 and M2.5 (MiniMax, model cards, 2025 and 2026), as transformers' `MiniMaxM2Config`; for planning."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import read_decoder, uniform_windows
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec

OWN_KEYS = ("use_qk_norm",)
"""Of keys that other families do not have."""


def read_minimax_m2(config: ConfigReader) -> ModelSpec:
    """The spec of a `MiniMaxM2ForCausalLM`: layers with experts of `intermediate_size` that a sigmoid chooses.

    Its norms of queries and keys go over all heads together; they are planned as one per head, which moves as much.
    """
    experts = ExpertsSpec(
        num_experts=config.size("num_local_experts", 256),
        num_chosen=config.size("num_experts_per_tok", 8),
        inner_size=config.size("intermediate_size", 1536),
        sums_to_one=True,
    )
    return read_decoder(
        ConfigReader({key: value for key, value in config.values.items() if key not in OWN_KEYS}),
        "MiniMaxM2ForCausalLM",
        layer_windows=uniform_windows(config, None),
        default_kv_heads=8,
        default_head_dim=128,
        default_length_tokens=196608,
        has_head_norms=config.flag("use_qk_norm", True),
        experts=experts,
    )
