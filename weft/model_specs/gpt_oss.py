"""gpt-oss (OpenAI, arXiv 2508.10925, section 2), as transformers' `GptOssConfig`; for planning."""

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.decoder_config import FULL, SLIDING, read_decoder, read_num_layers
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.model_spec import ModelSpec

DEFAULT_WINDOW_TOKENS = 128


def read_gpt_oss(config: ConfigReader) -> ModelSpec:
    """The spec of a `GptOssForCausalLM`: every other layer sees a window, all have experts of `intermediate_size`.

    Biases of experts and the learned sinks of attention are left out: they are 0.04 % of the parameters.
    """
    experts = ExpertsSpec(
        num_experts=config.size("num_local_experts", 128),
        num_chosen=config.size("num_experts_per_tok", 4),
        inner_size=config.size("intermediate_size", 2880),
        sums_to_one=True,
    )
    attention_bias = config.flag("attention_bias", True)
    return read_decoder(
        config,
        "GptOssForCausalLM",
        layer_windows=_read_windows(config),
        default_kv_heads=8,
        default_head_dim=64,
        default_length_tokens=131072,
        qkv_bias=attention_bias,
        output_bias=attention_bias,
        experts=experts,
    )


def _read_windows(config: ConfigReader) -> tuple[int | None, ...]:
    num_layers = read_num_layers(config)
    window_tokens = config.size("sliding_window", DEFAULT_WINDOW_TOKENS)
    types = config.choices("layer_types", (FULL, SLIDING)) or tuple(
        FULL if layer % 2 else SLIDING for layer in range(num_layers)
    )
    if len(types) != num_layers:
        raise ConfigurationError(
            f"layer_types has {len(types)} entries; give {num_layers}, as num_hidden_layers says"
        )
    return tuple(window_tokens if each == SLIDING else None for each in types)
