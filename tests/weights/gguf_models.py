"""Models of Hugging Face directories as GGUF files, as llama.cpp's converter writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.weights.gguf_writing import stored, value, write

NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
ARCHITECTURES = {
    "Llama": "llama",
    "Mistral": "llama",
    "Qwen2": "qwen2",
    "Qwen3": "qwen3",
    "Qwen3Moe": "qwen3moe",
}


def write_model(
    directory: Path,
    path: Path,
    format: str,
    values: Mapping[str, object] | None = None,
    formats: Mapping[str, str] | None = None,
) -> Path:
    """`format`: of all tensors, but of one dimension. `values`: more metadata, or other than follows from config.json.
    `formats`: of tensors by their name in the file."""
    config: dict[str, Any] = json.loads((directory / "config.json").read_text())
    tensors = gguf_tensors(config, load_file(directory / "model.safetensors"))
    formats = formats or {}
    written = {name: stored(each, formats.get(name, format)) for name, each in tensors.items()}
    metadata = {**sizes(config), **(values or {})}
    return write(path, written, {key: value(each) for key, each in metadata.items()})


def architecture(config: Mapping[str, Any]) -> str:
    return ARCHITECTURES[config["architectures"][0].removesuffix("ForCausalLM")]


def sizes(config: Mapping[str, Any]) -> dict[str, object]:
    """What metadata says of a model's sizes."""
    heads, hidden, kind = config["num_attention_heads"], config["hidden_size"], architecture(config)
    head_dim = config.get("head_dim") or hidden // heads
    rope = config.get("rope_parameters") or {}
    found = {
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": hidden,
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": heads,
        "attention.head_count_kv": config.get("num_key_value_heads") or heads,
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": float(rope.get("rope_theta") or config.get("rope_theta", 10000.0)),
        "rope.dimension_count": head_dim,
    }
    if kind == "qwen3moe":
        found["expert_count"] = config.get("num_experts") or config["num_local_experts"]
        found["expert_used_count"] = config["num_experts_per_tok"]
        found["expert_feed_forward_length"] = config["moe_intermediate_size"]
    return {"general.architecture": kind, **{f"{kind}.{key}": each for key, each in found.items()}}


def gguf_tensors(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By the names of GGUF; rows of Llama's queries and keys with pairs side by side."""
    found: dict[str, Tensor] = {}
    experts: dict[str, list[Tensor]] = {}
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config.get("num_key_value_heads")}
    for name in sorted(tensors, key=_numbers):
        place, _, kind = name.rpartition(".")
        part = place.rpartition(".")[2]
        values = tensors[name]
        if architecture(config) == "llama" and part in heads:
            count = heads[part] or config["num_attention_heads"]
            values = values.view(count, 2, -1, *values.shape[1:]).transpose(1, 2).flatten(0, 2)
        if ".experts." in place:
            layer = place.split(".")[2]
            experts.setdefault(f"blk.{layer}.ffn_{part.removesuffix('_proj')}_exps.{kind}", []).append(values)
        else:
            found[f"{_gguf_name(place)}.{kind}"] = values
    return found | {name: torch.stack(each) for name, each in experts.items()}


def _gguf_name(place: str) -> str:
    if place in WHOLE:
        return WHOLE[place]
    _, _, layer, part = place.split(".", 3)
    return f"blk.{layer}.{NAMES[part]}"


def _numbers(name: str) -> list[Any]:
    """So that experts come in their order."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in name.split(".")]
