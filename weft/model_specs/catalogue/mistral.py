"""Mistral 7B and Mixtral 8x7B."""

from weft.model_specs.catalogue.entry import CatalogueModel

_MISTRAL = "arXiv 2310.06825; safetensors index of the published checkpoint"
_MIXTRAL = (
    "Mistral AI, Mixtral of experts (December 2023): 46.7 B, of which 12.9 B per token; arXiv 2401.04088"
)

_SIZES: dict[str, object] = {
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5,
    "vocab_size": 32000,
}
_DENSE = _SIZES | {"architectures": ["MistralForCausalLM"]}
_V3 = _DENSE | {"sliding_window": None, "vocab_size": 32768, "rope_theta": 1e6}
_MIXTURE = _SIZES | {
    "architectures": ["MixtralForCausalLM"],
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "rope_theta": 1e6,
}

MODELS = (
    CatalogueModel("mistralai/Mistral-7B-v0.1", _DENSE | {"sliding_window": 4096}, 7.242, _MISTRAL),
    CatalogueModel("mistralai/Mistral-7B-v0.3", _V3, 7.248, _MISTRAL),
    CatalogueModel("mistralai/Mixtral-8x7B-v0.1", _MIXTURE, 46.7, _MIXTRAL, 12.9),
)
