"""What a GGUF file's metadata says of a model: as in config.json, and as in generation_config.json.

Keys are those of ggml's description of the format and of the programs that convert models to it; sizes of a model stand
below the name of its architecture ("llama.block_count").
"""

import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import ConfigReader, is_integer, naming, show
from weft.model_specs.gguf_header import Bytes, Header, TensorInfo, decimal
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.rope_factors import PairScaling

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3moe": "Qwen3MoeForCausalLM",
}
"""By the names that the format has for them. What is called llama also holds models of Mistral."""

NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "attention.alibi_bias": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.clamp_kqv": (0,),
    "attention.scale": (0,),
    "attention.causal": (True,),
    "attention.shared_kv_layers": (0,),
    "attention.temperature_scale": (0,),
    "attn_logit_softcapping": (0,),
    "final_logit_softcapping": (0,),
    "expert_shared_count": (0,),
    "expert_weights_scale": (0, 1),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "embedding_scale": (0, 1),
    "use_parallel_residual": (False,),
    "rope.scaling.attn_factor": (0, 1),
    "rope.scaling.yarn_attn_factor": (0, 1),
    "rope.scaling.yarn_ext_factor": (-1, 1),
    "rope.scaling.yarn_log_multiplier": (0,),
}
"""Keys that change what a model computes in a way that is not written here, each with the values that do not."""

EMBEDDING, HEAD, ROPE_FACTORS = "token_embd.weight", "output.weight", "rope_freqs.weight"
FLOAT32, FLOAT16, BFLOAT16 = 0, 1, 30
"""Formats of tensors, by ggml's numbers."""


def gguf_config(header: Header, path: Path) -> dict[str, object]:
    """The model as in a config.json of transformers.

    Raises `ConfigurationError`, naming the path, for one that Weft does not know, or whose metadata is missing or asks
    for what there is not.
    """
    with naming(str(path)):
        _refuse_parts(header)
        architecture = ConfigReader(header.metadata).text("general.architecture", "")
        if architecture not in ARCHITECTURES:
            raise ConfigurationError(
                f"general.architecture is {show(architecture)}; it must be one of {', '.join(ARCHITECTURES)}"
            )
        return _config(header, _below(header, architecture), architecture)


def with_factors(spec: ModelSpec, header: Header, stored: Bytes, path: Path) -> ModelSpec:
    """The spec with what each pair's frequency is divided by, where the file has that (Llama 3.1 and later).

    Raises `ConfigurationError`, naming the path, where this does not fit.
    """
    info = header.tensors.get(ROPE_FACTORS)
    if info is None:
        return spec
    with naming(str(path)):
        scaling = PairScaling(_factors(info, header.data_start, stored))
        return replace(spec, rope=replace(spec.rope, scaling=scaling))


def _factors(info: TensorInfo, data_start: int, stored: Bytes) -> tuple[float, ...]:
    start, count = data_start + info.offset, info.shape[0] if len(info.shape) == 1 else 0
    if info.type_number != FLOAT32 or not count or start + 4 * count > len(stored):
        raise ConfigurationError(f"tensor {ROPE_FACTORS!r} is no list of float32; the file is damaged")
    return struct.unpack(f"<{count}f", stored[start : start + 4 * count])


def _refuse_parts(header: Header) -> None:
    parts = header.metadata.get("split.count", 0)
    if is_integer(parts) and parts > 1:
        raise ConfigurationError(
            f"it is one of {parts} parts of a model; put them together with llama.cpp's gguf-split --merge"
        )


def _below(header: Header, architecture: str) -> ConfigReader:
    prefix = f"{architecture}."
    values = {
        key.removeprefix(prefix): value for key, value in header.metadata.items() if key.startswith(prefix)
    }
    reader = ConfigReader(values, prefix)
    for key, harmless in NEUTRAL.items():
        if reader.has(key) and values[key] not in harmless:
            raise reader.refuse(key, "absent: what it asks for is not supported")
    return reader


def _config(header: Header, reader: ConfigReader, architecture: str) -> dict[str, object]:
    hidden, heads = reader.size("embedding_length"), reader.size("attention.head_count")
    head_dim = reader.size("attention.key_length", hidden // heads)
    _require_equal(reader, "attention.value_length", head_dim)
    _require_equal(reader, "rope.dimension_count", head_dim)
    context = reader.size("context_length")
    _refuse_window(reader, context)
    has_bias = "blk.0.attn_q.bias" in header.tensors
    return {
        "architectures": [ARCHITECTURES[architecture]],
        "vocab_size": _num_rows(header),
        "hidden_size": hidden,
        "intermediate_size": reader.size("feed_forward_length"),
        "num_hidden_layers": reader.size("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": reader.size("attention.head_count_kv", heads),
        "head_dim": head_dim,
        "max_position_embeddings": context,
        "rms_norm_eps": decimal(reader.number("attention.layer_norm_rms_epsilon", least=0.0, most=1.0)),
        "rope_parameters": _rope(reader),
        "tie_word_embeddings": HEAD not in header.tensors,
        "attention_bias": has_bias,
        "mlp_bias": "blk.0.ffn_gate.bias" in header.tensors,
        "dtype": _number_format(header),
        **_experts(reader, architecture),
    }


def _require_equal(reader: ConfigReader, key: str, value: int) -> None:
    if reader.size(key, value) != value:
        raise reader.refuse(key, f"the size of a head ({value})")


def _refuse_window(reader: ConfigReader, context: int) -> None:
    """A window as long as the longest text is none."""
    if reader.has("attention.sliding_window") and 0 < reader.size("attention.sliding_window") < context:
        raise reader.refuse("attention.sliding_window", f"absent, or at least the context_length ({context})")


def _num_rows(header: Header) -> int:
    """Of the embedding: there may be more than tokens."""
    info = header.tensors.get(EMBEDDING)
    if info is None or len(info.shape) != 2:
        raise ConfigurationError(f"it has no matrix {EMBEDDING!r}; it is no language model, or damaged")
    return info.shape[0]


def _rope(reader: ConfigReader) -> dict[str, object]:
    theta = {"rope_theta": decimal(reader.number("rope.freq_base", 10000.0, least=1.0, most=1e30))}
    kind = reader.text("rope.scaling.type", "none")
    if kind == "none":
        return {**theta, "rope_type": "default"}
    factor = decimal(reader.number("rope.scaling.factor", least=1.0, most=1e6))
    if kind == "linear":
        return {**theta, "rope_type": kind, "factor": factor}
    if kind != "yarn":
        raise reader.refuse("rope.scaling.type", "one of 'none', 'linear', 'yarn'")
    betas = {"beta_fast": "rope.scaling.yarn_beta_fast", "beta_slow": "rope.scaling.yarn_beta_slow"}
    return {
        **theta,
        "rope_type": kind,
        "factor": factor,
        "original_max_position_embeddings": reader.size("rope.scaling.original_context_length"),
        **{name: reader.values[key] for name, key in betas.items() if reader.has(key)},
    }


def _experts(reader: ConfigReader, architecture: str) -> dict[str, object]:
    """Routers of qwen3moe divide the weights of those chosen by their sum, whatever the metadata says."""
    if architecture != "qwen3moe":
        if reader.integer("expert_count", 0, least=0):
            raise reader.refuse("expert_count", "absent or 0: such experts are not supported")
        return {}
    return {
        "num_experts": reader.size("expert_count"),
        "num_experts_per_tok": reader.size("expert_used_count"),
        "moe_intermediate_size": reader.size("expert_feed_forward_length"),
        "norm_topk_prob": True,
    }


def _number_format(header: Header) -> str:
    """Of matrices that are floats; where most are integers, what these are multiplied with need not be finer."""
    numbers = {info.type_number for info in header.tensors.values() if len(info.shape) > 1}
    if numbers <= {FLOAT32}:
        return "float32"
    return "float16" if numbers <= {FLOAT32, FLOAT16} else "bfloat16"
