"""Configs of mixtures of experts: the published shape, and random small ones."""

from hypothesis import strategies as st

from tests.model_specs.configs import TINY, Config

# Both from the model's public description: 30.5 B parameters, of which 3.3 B are activated.
QWEN_3_30B_A3B: Config = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "moe_intermediate_size": 768,
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "hidden_act": "silu",
    "max_position_embeddings": 40960,
    "max_window_layers": 48,
    "sliding_window": None,
    "use_sliding_window": False,
    "attention_bias": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

TINY_EXPERTS: Config = TINY | {
    "architectures": ["Qwen3MoeForCausalLM"],
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 6,
}


@st.composite
def expert_configs(draw: st.DrawFn) -> Config:
    """A small config, with its optional keys."""
    num_kv_heads, num_experts = draw(st.integers(1, 3)), draw(st.integers(1, 9))
    num_layers = draw(st.integers(1, 4))
    return TINY_EXPERTS | {
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": 2 * draw(st.integers(1, 20)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_kv_heads * draw(st.integers(1, 3)),
        "num_key_value_heads": num_kv_heads,
        "head_dim": 2 * draw(st.integers(1, 12)),
        "tie_word_embeddings": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "use_sliding_window": draw(st.booleans()),
        "sliding_window": draw(st.integers(1, 100)),
        "num_experts": num_experts,
        "num_experts_per_tok": draw(st.integers(1, num_experts)),
        "moe_intermediate_size": draw(st.integers(1, 30)),
        "norm_topk_prob": draw(st.booleans()),
        "decoder_sparse_step": draw(st.integers(1, 3)),
        "mlp_only_layers": draw(st.lists(st.integers(0, num_layers), max_size=2)),
    }
