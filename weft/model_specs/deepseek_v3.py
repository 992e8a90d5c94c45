"""DeepSeek-V3 (arXiv 2412.19437), as transformers' `DeepseekV3Config`; for planning.

The layer that predicts a second token is no part of it, as in the figures that its publishers state.
"""

from dataclasses import replace

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import MOST_LAYERS, read_decoder, uniform_windows
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.structure import LatentAttention, Structure


def read_deepseek_v3(config: ConfigReader) -> ModelSpec:
    """The spec of a `DeepseekV3ForCausalLM`: latent attention; experts and a shared one, but for the first layers."""
    latent = LatentAttention(
        query_rank=config.size("q_lora_rank"),
        state_rank=config.size("kv_lora_rank"),
        plain_dim=config.size("qk_nope_head_dim"),
        rotary_dim=config.size("qk_rope_head_dim"),
        value_dim=config.size("v_head_dim"),
    )
    # only the rotated part of a head concerns what all families share
    shared = ConfigReader({**config.values, "head_dim": latent.rotary_dim}, config.prefix)
    spec = read_decoder(
        shared,
        "DeepseekV3ForCausalLM",
        layer_windows=uniform_windows(config, None),
        default_kv_heads=None,
        default_head_dim=None,
        default_length_tokens=4096,
        experts=_read_experts(config),
    )
    return replace(spec, head_dim=latent.plain_dim + latent.rotary_dim, structure=Structure(latent=latent))


def _read_experts(config: ConfigReader) -> ExpertsSpec:
    inner_size = config.size("moe_intermediate_size")
    return ExpertsSpec(
        num_experts=config.size("n_routed_experts"),
        num_chosen=config.size("num_experts_per_tok"),
        inner_size=inner_size,
        sums_to_one=config.flag("norm_topk_prob", True),
        dense_layers=tuple(range(config.integer("first_k_dense_replace", 0, least=0, most=MOST_LAYERS))),
        shared_inner_size=inner_size * config.integer("n_shared_experts", 0, least=0),
    )
