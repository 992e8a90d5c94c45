"""Reading config.json per family, and families by architecture."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.model_specs.configs import (
    ARCHITECTURES,
    LLAMA_3_1_8B,
    MISTRAL_7B,
    PUBLISHED,
    QWEN_2_5_7B,
    QWEN_2_5_7B_YARN,
    QWEN_3_0_6B,
    TINY,
    Config,
)
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.model_specs import families
from weft.model_specs.families import Family, family_of, read_spec, register, spec_from_config
from weft.model_specs.llama import read_llama
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.rope import RopeSpec
from weft.model_specs.rope_scalings import Llama3Scaling, YarnScaling


def read(config: Config, **changes: Any) -> ModelSpec:
    return spec_from_config(config | changes, "config.json")


def without(config: Config, key: str) -> Config:
    return {name: value for name, value in config.items() if name != key}


def test_llama_3_1() -> None:
    assert read(LLAMA_3_1_8B) == ModelSpec(
        architecture="LlamaForCausalLM",
        vocab_size=128256,
        hidden_size=4096,
        num_heads=32,
        num_kv_heads=8,
        head_dim=128,
        intermediate_size=14336,
        layer_windows=(None,) * 32,
        norm_eps=1e-5,
        rope=RopeSpec(500_000.0, 128, Llama3Scaling(8.0, 1.0, 4.0, 8192)),
        max_length_tokens=131072,
        ties_embeddings=False,
        qkv_bias=False,
        output_bias=False,
        mlp_bias=False,
        has_head_norms=False,
        stored_format=NumberFormat.BFLOAT16,
    )


def test_llama_biases() -> None:
    spec = read(LLAMA_3_1_8B, attention_bias=True, mlp_bias=True)
    assert (spec.qkv_bias, spec.output_bias, spec.mlp_bias) == (True, True, True)


def test_mistral_windows() -> None:
    assert read(MISTRAL_7B).layer_windows == (4096,) * 32
    assert read(MISTRAL_7B, sliding_window=None).layer_windows == (None,) * 32
    assert read(without(MISTRAL_7B, "sliding_window")).layer_windows == (4096,) * 32
    agreeing = read(MISTRAL_7B, layer_types=["sliding_attention"] * 32)
    assert agreeing == read(MISTRAL_7B)


def test_qwen2() -> None:
    spec = read(QWEN_2_5_7B)
    assert (spec.qkv_bias, spec.output_bias, spec.has_head_norms) == (True, False, False)
    assert spec.layer_windows == (None,) * 28
    assert (spec.head_dim, spec.max_length_tokens) == (128, 32768)
    stretched = read(QWEN_2_5_7B_YARN)
    assert stretched.rope.scaling == YarnScaling(4.0, 32768)
    assert stretched.max_length_tokens == 131072


def test_qwen3() -> None:
    spec = read(QWEN_3_0_6B)
    assert (spec.qkv_bias, spec.output_bias, spec.has_head_norms) == (False, False, True)
    assert (spec.num_heads * spec.head_dim, spec.hidden_size) == (2048, 1024)
    assert spec.rope == RopeSpec(1e6, 128)
    biased = read(QWEN_3_0_6B, attention_bias=True)
    assert (biased.qkv_bias, biased.output_bias) == (True, True)
    assert read(without(QWEN_3_0_6B, "head_dim")).head_dim == 128


@pytest.mark.parametrize("config", [QWEN_2_5_7B, QWEN_3_0_6B])
def test_qwen_windows(config: Config) -> None:
    windowed = config | {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 26}
    assert read(windowed).layer_windows == (None,) * 26 + (64, 64)
    assert read(windowed, use_sliding_window=False).layer_windows == (None,) * 28
    assert read(windowed, sliding_window=None).layer_windows == (None,) * 28
    assert read(without(windowed, "sliding_window")).layer_windows[-1] == 4096
    types = ["sliding_attention", "full_attention"] * 14
    assert read(windowed, layer_types=types).layer_windows == (64, None) * 14


@pytest.mark.parametrize(
    ("stated", "expected"),
    [({"torch_dtype": "float16"}, "float16"), ({"dtype": "torch.bfloat16"}, "bfloat16"), ({}, "float32")],
)
def test_the_stored_format(stated: Config, expected: str) -> None:
    assert read(TINY | stated).stored_format == NumberFormat(expected)
    assert read(TINY | {"torch_dtype": None} | stated).stored_format == NumberFormat(expected)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_directory_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED[name]))
    assert read_spec(tmp_path) == read(PUBLISHED[name])


def test_a_missing_directory_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere is no directory; give one with"):
        read_spec(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match=r"config\.json cannot be read: No such file"):
        read_spec(tmp_path)


@pytest.mark.parametrize("text", ["{", "", "{'a': 1}", "\x00", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_invalid_json_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"config\.json is not valid JSON"):
        read_spec(tmp_path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigurationError, match=r"config\.json is not valid JSON"):
        read_spec(tmp_path)


def test_json_that_is_no_object_is_shown(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1, 2]")
    with pytest.raises(ConfigurationError, match=r"config\.json holds \[1, 2\]; it must hold a JSON object"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            TINY | {"architectures": ["GPT2LMHeadModel"]},
            'architecture "GPT2LMHeadModel" is unknown; supported',
        ),
        (without(TINY, "architectures"), "architectures is missing; it must be a list with one name"),
        (
            TINY | {"architectures": "LlamaForCausalLM"},
            'architectures is "LlamaForCausalLM"; it must be a list',
        ),
        (without(TINY, "hidden_size"), "hidden_size is missing; it must be a whole number between 1 and"),
        (TINY | {"vocab_size": 10.0}, "vocab_size is 10.0; it must be a whole number"),
        (TINY | {"vocab_size": True}, "vocab_size is true; it must be a whole number"),
        (TINY | {"vocab_size": 2**31}, "vocab_size is 2147483648; it must be a whole number between 1 and"),
        (TINY | {"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000; it must be a whole number"),
        (TINY | {"num_key_value_heads": 3}, "num_key_value_heads is 3; it must be a divisor of num_att"),
        (TINY | {"head_dim": 3}, "head_dim is 3; it must be such that a head has an even number"),
        (TINY | {"head_dim": 8194}, "head_dim is 8194; it must be such that a head has at most 8192"),
        (TINY | {"head_dim": None, "hidden_size": 10}, "hidden_size is 10; it must be a multiple of num_att"),
        (TINY | {"head_dim": None, "hidden_size": 4}, "hidden_size is 4; it must be such that a head has an"),
        (TINY | {"rms_norm_eps": 0}, "rms_norm_eps is 0; it must be a number between 1e-20 and 1"),
        (TINY | {"rms_norm_eps": float("nan")}, "rms_norm_eps is NaN; it must be a number"),
        (TINY | {"rms_norm_eps": 10**400}, "rms_norm_eps is 1000"),
        (TINY | {"tie_word_embeddings": "no"}, 'tie_word_embeddings is "no"; it must be true or false'),
        (TINY | {"hidden_act": "gelu"}, "hidden_act is \"gelu\"; it must be 'silu'"),
        (
            TINY | {"quantization_config": {"bits": 4}},
            'quantization_config is {"bits": 4}; it must be absent',
        ),
        (TINY | {"torch_dtype": "float8_e4m3fn"}, 'torch_dtype is "float8_e4m3fn"; it must be one of the'),
        (TINY | {"sliding_window": 8}, "sliding_window is 8; it must be absent or null: Llama attends"),
        (TINY | {"layer_types": ["sliding_attention"] * 2}, "layer_types is .* it must be absent, or 'full"),
        (TINY | {"layer_types": "full"}, "layer_types is \"full\"; it must be a list of 'full_attention'"),
        (QWEN_2_5_7B | {"layer_types": ["full_attention"]}, "layer_types is .*; it must be of 28 entries"),
        (
            QWEN_3_0_6B | {"layer_types": ["sliding_attention"] * 28},
            "layer_types has 'sliding_attention' layers, but no window is in use; set use_sliding_window",
        ),
    ],
)
def test_a_bad_config_gets_one_line(config: Config, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^here/config.json: {message}") as caught:
        spec_from_config(config, "here/config.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_what_only_training_reads_is_accepted() -> None:
    assert read(TINY, pretraining_tp=2, attention_dropout=0.1, use_cache=False) == read(TINY)


def test_every_family_names_its_torch_class() -> None:
    assert {name: family_of(name).model for name in ARCHITECTURES} == {
        "LlamaForCausalLM": "weft.models.llama:Llama",
        "MistralForCausalLM": "weft.models.mistral:Mistral",
        "Qwen2ForCausalLM": "weft.models.qwen2:Qwen2",
        "Qwen3ForCausalLM": "weft.models.qwen3:Qwen3",
    }


def test_a_family_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "FAMILIES", dict(families.FAMILIES))
    mine = Family("MineForCausalLM", read_llama, "mine.model:Mine")
    register(mine)
    register(mine)
    assert family_of("MineForCausalLM") is mine
    assert read(TINY, architectures=["MineForCausalLM"]).vocab_size == 10
    with pytest.raises(ConfigurationError, match=r"is computed by mine\.model:Mine already"):
        register(Family("MineForCausalLM", read_llama, "other.model:Other"))
    with pytest.raises(ConfigurationError, match="it must be of the form module:Class"):
        register(Family("OtherForCausalLM", read_llama, "other.model"))
