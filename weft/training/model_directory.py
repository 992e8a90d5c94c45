"""What a run leaves: a model as a Hugging Face directory."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
import torch
from torch import Tensor

from weft.training.chat_format import write_text_files
from weft.training.recipe import ExpertsShape, Recipe
from weft.training.text.documents import BEGIN, END
from weft.weights.save import CONFIG_FILE, save_checkpoint


def model_config(recipe: Recipe, vocab_size: int) -> dict[str, Any]:
    """config.json, as far as it does not depend on the tokenizer's entries."""
    shape = recipe.shape
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_kv_heads,
        "head_dim": shape.head_dim,
        "max_position_embeddings": recipe.context_tokens,
        "rope_theta": shape.rope_theta,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "attention_bias": False,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "dtype": "bfloat16",
        **(_expert_config(shape.experts, shape.intermediate_size) if shape.experts else {}),
    }


def _expert_config(experts: ExpertsShape, inner_size: int) -> dict[str, Any]:
    """In every layer; the weights of those chosen add up to 1, as in the published models."""
    return {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "num_experts": experts.num_experts,
        "num_experts_per_tok": experts.num_chosen,
        "moe_intermediate_size": inner_size,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    }


def write_model(
    directory: Path, recipe: Recipe, tokenizer: tokenizers.Tokenizer, tensors: Mapping[str, Tensor]
) -> None:
    """Put a model, in bfloat16, beside what else is in `directory`; config.json, without which nobody takes it for a
    model, comes last."""
    config = model_config(recipe, tokenizer.get_vocab_size())
    config |= {"bos_token_id": tokenizer.token_to_id(BEGIN), "eos_token_id": tokenizer.token_to_id(END)}
    halves = {name: tensor.detach().to(torch.bfloat16) for name, tensor in tensors.items()}
    with tempfile.TemporaryDirectory(dir=directory, prefix=".model-") as folder:
        texts, whole = Path(folder) / "texts", Path(folder) / "whole"
        texts.mkdir()
        save_checkpoint(whole, config, halves, other_files=write_text_files(texts, tokenizer))
        for path in sorted(whole.iterdir(), key=lambda path: path.name == CONFIG_FILE):
            path.replace(directory / path.name)
