"""Llama 2, Llama 3 to 3.2, Code Llama."""

from weft.model_specs.catalogue.entry import CatalogueModel

_LLAMA_2 = "arXiv 2307.09288; safetensors index of the published checkpoint"
_LLAMA_3 = "arXiv 2407.21783, table 3; safetensors index of the published checkpoint"
_LLAMA_3_2 = "model card of Llama 3.2, 2024-09-25; safetensors index of the published checkpoint"
_CODE_LLAMA = "arXiv 2308.12950; safetensors index of the published checkpoint"

_SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def _config(sizes: tuple[int, int, int, int, int], others: dict[str, object]) -> dict[str, object]:
    """`sizes`: hidden, inner, layers, query heads, heads of keys."""
    hidden, inner, layers, heads, kv_heads = sizes
    return {
        "architectures": ["LlamaForCausalLM"],
        "torch_dtype": "bfloat16",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": 1e-5,
        **others,
    }


_TWO: dict[str, object] = {"vocab_size": 32000, "max_position_embeddings": 4096, "torch_dtype": "float16"}
_CODE: dict[str, object] = {"vocab_size": 32000, "max_position_embeddings": 16384, "rope_theta": 1e6}
_THREE: dict[str, object] = {"vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 5e5}
_THREE_1 = _THREE | {"max_position_embeddings": 131072, "rope_scaling": _SCALING}
_THREE_2 = _THREE_1 | {"rope_scaling": _SCALING | {"factor": 32.0}, "tie_word_embeddings": True}

_SMALL, _LARGE = (4096, 14336, 32, 32, 8), (8192, 28672, 80, 64, 8)

MODELS = (
    CatalogueModel("meta-llama/Llama-2-7b-hf", _config((4096, 11008, 32, 32, 32), _TWO), 6.738, _LLAMA_2),
    CatalogueModel("meta-llama/Llama-2-13b-hf", _config((5120, 13824, 40, 40, 40), _TWO), 13.016, _LLAMA_2),
    CatalogueModel("meta-llama/Llama-2-70b-hf", _config((8192, 28672, 80, 64, 8), _TWO), 68.977, _LLAMA_2),
    CatalogueModel(
        "meta-llama/CodeLlama-34b-hf", _config((8192, 22016, 48, 64, 8), _CODE), 33.744, _CODE_LLAMA
    ),
    CatalogueModel("meta-llama/Meta-Llama-3-8B", _config(_SMALL, _THREE), 8.030, _LLAMA_3),
    CatalogueModel("meta-llama/Meta-Llama-3-70B", _config(_LARGE, _THREE), 70.554, _LLAMA_3),
    CatalogueModel("meta-llama/Llama-3.1-8B", _config(_SMALL, _THREE_1), 8.030, _LLAMA_3),
    CatalogueModel("meta-llama/Llama-3.1-70B", _config(_LARGE, _THREE_1), 70.554, _LLAMA_3),
    CatalogueModel(
        "meta-llama/Llama-3.1-405B", _config((16384, 53248, 126, 128, 8), _THREE_1), 405.853, _LLAMA_3
    ),
    CatalogueModel("meta-llama/Llama-3.2-1B", _config((2048, 8192, 16, 32, 8), _THREE_2), 1.236, _LLAMA_3_2),
    CatalogueModel("meta-llama/Llama-3.2-3B", _config((3072, 8192, 28, 24, 8), _THREE_2), 3.213, _LLAMA_3_2),
)
