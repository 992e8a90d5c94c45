"""Tiny random models that transformers makes and computes: the oracle for ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor

SIZES: Mapping[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.25,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

EXPERTS: dict[str, Any] = {
    "head_dim": 16,
    "moe_intermediate_size": 24,
    "num_experts": 8,
    "num_experts_per_tok": 3,
    "norm_topk_prob": True,
}


def _scaled(**parameters: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 10000.0, **parameters}}


class Variant(NamedTuple):
    """A config class of transformers, and what in it differs from `SIZES`."""

    family: str
    changes: Mapping[str, Any]


VARIANTS: Mapping[str, Variant] = {
    "llama": Variant("Llama", {}),
    "llama-biases": Variant("Llama", {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 6}),
    "llama-tied-wide-heads": Variant("Llama", {"tie_word_embeddings": True, "head_dim": 16}),
    "llama-rope-llama3": Variant(
        "Llama",
        _scaled(
            rope_type="llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=64,
        ),
    ),
    "llama-rope-linear": Variant("Llama", _scaled(rope_type="linear", factor=4.0)),
    "llama-rope-yarn": Variant(
        "Llama", _scaled(rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
    ),
    "mistral": Variant("Mistral", {"sliding_window": None}),
    "mistral-window": Variant("Mistral", {"sliding_window": 11, "head_dim": 16}),
    "qwen2": Variant("Qwen2", {"use_sliding_window": False}),
    "qwen2-windows": Variant(
        "Qwen2", {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}
    ),
    "qwen3": Variant("Qwen3", {"head_dim": 16}),
    "qwen3-tied-windows": Variant(
        "Qwen3",
        {
            "tie_word_embeddings": True,
            "use_sliding_window": True,
            "sliding_window": 20,
            "max_window_layers": 2,
        },
    ),
    "qwen3-moe": Variant("Qwen3Moe", EXPERTS),
    "qwen3-moe-some-layers": Variant(
        "Qwen3Moe",
        EXPERTS
        | {
            "norm_topk_prob": False,
            "decoder_sparse_step": 2,
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": 13,
        },
    ),
}


class Oracle:
    """A model of transformers in float32 with random weights and biases, saved in `directory`."""

    def __init__(self, variant: Variant, directory: Path, seed: int = 0) -> None:
        torch.manual_seed(seed)
        config_class = getattr(transformers, f"{variant.family}Config")
        model_class = getattr(transformers, f"{variant.family}ForCausalLM")
        config = config_class(**{**SIZES, **variant.changes})
        config._attn_implementation = "eager"
        self.model = model_class(config).eval()
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if name.endswith(("bias", "norm.weight")):
                    parameter.add_(torch.randn(parameter.shape) * 0.1)
        self.model.save_pretrained(directory)
        self.directory = directory

    @torch.no_grad()
    def logits(self, tokens: Sequence[int]) -> Tensor:
        """Scores after every token: [T, V]."""
        result: Tensor = self.model(torch.tensor([tokens])).logits[0]
        return result


def prompts(lengths: Sequence[int], vocab_size: int = 97, seed: int = 5) -> list[tuple[int, ...]]:
    """Random tokens, of these lengths."""
    generator = torch.Generator().manual_seed(seed)
    return [
        tuple(torch.randint(3, vocab_size, (length,), generator=generator).tolist()) for length in lengths
    ]
