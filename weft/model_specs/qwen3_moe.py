"""Qwen3's mixtures of experts (Yang et al., arXiv 2505.09388, section 2), as transformers' `Qwen3MoeConfig`."""

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import MOST_LAYERS, read_decoder, uniform_windows
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.qwen_windows import read_window

DEFAULT_NUM_EXPERTS = 128

MOST_EXPERTS = 10_000
"""Some forty times those of a layer of DeepSeek-V3 (256, arXiv 2412.19437); bounds a wrong number."""


def read_qwen3_moe(config: ConfigReader) -> ModelSpec:
    """The spec of a `Qwen3MoeForCausalLM`: Qwen3 whose layers have experts.

    A window, where one is in use, is that of every layer, as in transformers; a `max_window_layers` that would
    spare some is refused.
    """
    attention_bias = config.flag("attention_bias", False)
    return read_decoder(
        config,
        "Qwen3MoeForCausalLM",
        layer_windows=_read_windows(config),
        default_kv_heads=4,
        default_head_dim=None,
        default_length_tokens=32768,
        qkv_bias=attention_bias,
        output_bias=attention_bias,
        has_head_norms=True,
        experts=_read_experts(config),
    )


def _read_windows(config: ConfigReader) -> tuple[int | None, ...]:
    window_tokens = read_window(config)
    if window_tokens is not None and config.integer("max_window_layers", 0, least=0):
        raise config.refuse("max_window_layers", "absent or 0 where use_sliding_window is true")
    return uniform_windows(config, window_tokens)


def _read_experts(config: ConfigReader) -> ExpertsSpec:
    num_experts = _read_num_experts(config)
    num_chosen = config.size("num_experts_per_tok", 8)
    if num_chosen > num_experts:
        raise config.refuse("num_experts_per_tok", f"at most the number of experts ({num_experts})")
    return ExpertsSpec(
        num_experts=num_experts,
        num_chosen=num_chosen,
        inner_size=config.size("moe_intermediate_size", 768),
        sums_to_one=config.flag("norm_topk_prob", False),
        layer_stride=config.size("decoder_sparse_step", 1, most=MOST_LAYERS),
        dense_layers=config.integers("mlp_only_layers", least=0, most=MOST_LAYERS),
    )


def _read_num_experts(config: ConfigReader) -> int:
    """The models were published with `num_experts`; transformers 5 saves it as `num_local_experts`."""
    published = config.size("num_experts", DEFAULT_NUM_EXPERTS, most=MOST_EXPERTS)
    if not config.has("num_local_experts"):
        return published
    saved = config.size("num_local_experts", most=MOST_EXPERTS)
    if config.has("num_experts") and saved != published:
        raise config.refuse("num_local_experts", f"absent, or equal to num_experts ({published})")
    return saved
