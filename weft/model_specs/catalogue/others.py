"""OPT, GPT-3, Falcon, DeepSeek-V3, gpt-oss, MiniMax-M2.5."""

from weft.model_specs.catalogue.entry import CatalogueModel

_OPT = "arXiv 2205.01068, table 1"
_GPT_3 = "arXiv 2005.14165, table 2.1"
_FALCON = "arXiv 2311.16867; safetensors index of the published checkpoint"
_DEEPSEEK = "arXiv 2412.19437, section 4.2"
_GPT_OSS = "arXiv 2508.10925, table 1"
_MINIMAX = "model card, number of parameters"


def _opt(name: str, hidden: int, layers: int, heads: int, billions: float) -> CatalogueModel:
    config: dict[str, object] = {
        "architectures": ["OPTForCausalLM"],
        "torch_dtype": "float16",
        "vocab_size": 50272,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": 2048,
    }
    return CatalogueModel(f"facebook/opt-{name}", config, billions, _OPT)


_GPT_3_175B: dict[str, object] = {
    "architectures": ["GPT2LMHeadModel"],
    "torch_dtype": "float16",
    "vocab_size": 50257,
    "n_embd": 12288,
    "n_layer": 96,
    "n_head": 96,
    "n_positions": 2048,
}
_FALCON_7B: dict[str, object] = {
    "architectures": ["FalconForCausalLM"],
    "torch_dtype": "bfloat16",
    "vocab_size": 65024,
    "hidden_size": 4544,
    "num_hidden_layers": 32,
    "num_attention_heads": 71,
    "multi_query": True,
}
_FALCON_40B = _FALCON_7B | {
    "hidden_size": 8192,
    "num_hidden_layers": 60,
    "num_attention_heads": 128,
    "num_kv_heads": 8,
    "new_decoder_architecture": True,
}
_DEEPSEEK_V3: dict[str, object] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "torch_dtype": "bfloat16",
    "vocab_size": 129280,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "moe_intermediate_size": 2048,
    "first_k_dense_replace": 3,
    "norm_topk_prob": True,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 163840,
    "rope_theta": 10000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    },
}
_GPT_OSS_120B: dict[str, object] = {
    "architectures": ["GptOssForCausalLM"],
    "torch_dtype": "bfloat16",
    "vocab_size": 201088,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "num_local_experts": 128,
    "num_experts_per_tok": 4,
    "sliding_window": 128,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 131072,
    "rope_theta": 150000,
}
_MINIMAX_M2_5: dict[str, object] = {
    "architectures": ["MiniMaxM2ForCausalLM"],
    "torch_dtype": "bfloat16",
    "vocab_size": 200064,
    "hidden_size": 3072,
    "intermediate_size": 1536,
    "num_hidden_layers": 62,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_local_experts": 256,
    "num_experts_per_tok": 8,
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 196608,
    "rope_theta": 5000000,
}

MODELS = (
    _opt("125m", 768, 12, 12, 0.125),
    _opt("1.3b", 2048, 24, 32, 1.3),
    _opt("2.7b", 2560, 32, 32, 2.7),
    _opt("6.7b", 4096, 32, 32, 6.7),
    _opt("13b", 5120, 40, 40, 13.0),
    _opt("30b", 7168, 48, 56, 30.0),
    _opt("66b", 9216, 64, 72, 66.0),
    CatalogueModel("openai/gpt3-175b", _GPT_3_175B, 175.0, _GPT_3),
    CatalogueModel("tiiuae/falcon-7b", _FALCON_7B, 7.0, _FALCON),
    CatalogueModel("tiiuae/falcon-40b", _FALCON_40B, 41.8, _FALCON),
    CatalogueModel("deepseek-ai/DeepSeek-V3", _DEEPSEEK_V3, 671.0, _DEEPSEEK, 37.0),
    CatalogueModel("openai/gpt-oss-120b", _GPT_OSS_120B, 116.83, _GPT_OSS),
    CatalogueModel("MiniMaxAI/MiniMax-M2.5", _MINIMAX_M2_5, 230.0, _MINIMAX),
)
