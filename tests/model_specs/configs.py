"""Configs of published shapes, written from the models' public descriptions, and random small ones."""

from typing import Any

from hypothesis import strategies as st

Config = dict[str, Any]

LLAMA_3_1_8B: Config = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_act": "silu",
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
    "pretraining_tp": 1,
    "rope_theta": 500000.0,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "torch_dtype": "bfloat16",
}

QWEN_2_5_7B: Config = {
    "architectures": ["Qwen2ForCausalLM"],
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "max_window_layers": 28,
    "sliding_window": 131072,
    "use_sliding_window": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

QWEN_2_5_7B_YARN: Config = QWEN_2_5_7B | {
    "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}
}

QWEN_3_0_6B: Config = {
    "architectures": ["Qwen3ForCausalLM"],
    "vocab_size": 151936,
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 40960,
    "max_window_layers": 28,
    "sliding_window": None,
    "use_sliding_window": False,
    "attention_bias": False,
    "rms_norm_eps": 1e-6,
    "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"},
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}

MISTRAL_7B: Config = {
    "architectures": ["MistralForCausalLM"],
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "sliding_window": 4096,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

PUBLISHED = {
    "llama-3.1-8b": LLAMA_3_1_8B,
    "qwen-2.5-7b": QWEN_2_5_7B,
    "qwen-2.5-7b-yarn": QWEN_2_5_7B_YARN,
    "qwen-3-0.6b": QWEN_3_0_6B,
    "mistral-7b": MISTRAL_7B,
}

TINY: Config = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 64,
}

ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM")

factors = st.floats(1.0, 64.0)
lengths = st.integers(16, 1 << 17)


@st.composite
def rope_scalings(draw: st.DrawFn, kind: str) -> Config:
    """The keys of one kind of scaling."""
    config: Config = {"rope_type": kind, "factor": draw(factors)}
    if kind == "llama3":
        config["low_freq_factor"] = draw(st.floats(0.5, 4.0))
        config["high_freq_factor"] = config["low_freq_factor"] + draw(st.floats(0.5, 4.0))
    if kind == "yarn":
        options: dict[str, st.SearchStrategy[Any]] = {
            "beta_fast": st.floats(8.0, 64.0),
            "beta_slow": st.floats(0.5, 4.0),
            "attention_factor": st.floats(0.5, 2.0),
            "mscale": st.floats(0.0, 2.0),
            "mscale_all_dim": st.floats(0.0, 2.0),
            "truncate": st.booleans(),
        }
        config |= draw(st.fixed_dictionaries({}, optional=options))
    if kind in ("llama3", "yarn"):
        config["original_max_position_embeddings"] = draw(lengths)
    return config


@st.composite
def tiny_configs(draw: st.DrawFn) -> Config:
    """A small config of any family, with its optional keys."""
    architecture = draw(st.sampled_from(ARCHITECTURES))
    num_kv_heads = draw(st.integers(1, 3))
    num_heads = num_kv_heads * draw(st.integers(1, 3))
    num_layers = draw(st.integers(1, 4))
    config = TINY | {
        "architectures": [architecture],
        "vocab_size": draw(st.integers(1, 40)),
        "hidden_size": num_heads * 2 * draw(st.integers(1, 6)),
        "intermediate_size": draw(st.integers(1, 40)),
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads,
        "num_key_value_heads": num_kv_heads,
        "head_dim": 2 * draw(st.integers(1, 12)),
        "tie_word_embeddings": draw(st.booleans()),
    }
    if architecture == "LlamaForCausalLM":
        config["mlp_bias"] = draw(st.booleans())
    if architecture in ("LlamaForCausalLM", "Qwen3ForCausalLM"):
        config["attention_bias"] = draw(st.booleans())
    if architecture == "MistralForCausalLM":
        config["sliding_window"] = draw(st.none() | st.integers(1, 100))
    if architecture.startswith("Qwen"):
        config |= draw(_qwen_windows(num_layers))
    return config


@st.composite
def _qwen_windows(draw: st.DrawFn, num_layers: int) -> Config:
    config: Config = {
        "use_sliding_window": draw(st.booleans()),
        "sliding_window": draw(st.integers(1, 100)),
        "max_window_layers": draw(st.integers(0, 5)),
    }
    if config["use_sliding_window"] and draw(st.booleans()):
        kinds = st.sampled_from(["full_attention", "sliding_attention"])
        config["layer_types"] = draw(st.lists(kinds, min_size=num_layers, max_size=num_layers))
    return config
