"""Qwen2.5, and Qwen3 with its mixtures of experts."""

from weft.model_specs.catalogue.entry import CatalogueModel

_QWEN_2_5 = "arXiv 2412.15115 and the model card, number of parameters"
_QWEN_3 = "arXiv 2505.09388, tables 1 and 2, and the model card"


def _config(
    architecture: str, hidden: int, inner: int, layers: int, heads: int, kv_heads: int, **others: object
) -> dict[str, object]:
    return {
        "architectures": [architecture],
        "torch_dtype": "bfloat16",
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "rope_theta": 1e6,
        "rms_norm_eps": 1e-6,
        **others,
    }


def _two(
    name: str, sizes: tuple[int, int, int, int, int], vocabulary: int, billions: float
) -> CatalogueModel:
    """`sizes`: hidden, inner, layers, query heads, heads of keys. The tables of the three smallest are tied."""
    config = _config(
        "Qwen2ForCausalLM",
        *sizes,
        vocab_size=vocabulary,
        tie_word_embeddings=vocabulary == 151936,
        max_position_embeddings=32768,
    )
    return CatalogueModel(f"Qwen/Qwen2.5-{name}", config, billions, _QWEN_2_5)


def _three(name: str, sizes: tuple[int, int, int, int, int], ties: bool, billions: float) -> CatalogueModel:
    config = _config(
        "Qwen3ForCausalLM",
        *sizes,
        vocab_size=151936,
        head_dim=128,
        tie_word_embeddings=ties,
        max_position_embeddings=40960,
    )
    return CatalogueModel(f"Qwen/Qwen3-{name}", config, billions, _QWEN_3)


def _mixture(
    name: str,
    sizes: tuple[int, int, int, int, int],
    expert_size: int,
    billions: float,
    active_billions: float,
) -> CatalogueModel:
    config = _config(
        "Qwen3MoeForCausalLM",
        *sizes,
        vocab_size=151936,
        head_dim=128,
        max_position_embeddings=40960,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=expert_size,
        norm_topk_prob=True,
    )
    return CatalogueModel(f"Qwen/Qwen3-{name}", config, billions, _QWEN_3, active_billions)


MODELS = (
    _two("0.5B", (896, 4864, 24, 14, 2), 151936, 0.49),
    _two("1.5B", (1536, 8960, 28, 12, 2), 151936, 1.54),
    _two("3B", (2048, 11008, 36, 16, 2), 151936, 3.09),
    _two("7B", (3584, 18944, 28, 28, 4), 152064, 7.61),
    _two("14B", (5120, 13824, 48, 40, 8), 152064, 14.7),
    _two("32B", (5120, 27648, 64, 40, 8), 152064, 32.5),
    _two("72B", (8192, 29568, 80, 64, 8), 152064, 72.7),
    _three("0.6B", (1024, 3072, 28, 16, 8), True, 0.6),
    _three("1.7B", (2048, 6144, 28, 16, 8), True, 1.7),
    _three("4B", (2560, 9728, 36, 32, 8), True, 4.0),
    _three("8B", (4096, 12288, 36, 32, 8), False, 8.2),
    _three("14B", (5120, 17408, 40, 40, 8), False, 14.8),
    _three("32B", (5120, 25600, 64, 64, 8), False, 32.8),
    _mixture("30B-A3B", (2048, 6144, 48, 32, 4), 768, 30.5, 3.3),
    _mixture("235B-A22B", (4096, 12288, 94, 64, 4), 1536, 235.0, 22.0),
)
