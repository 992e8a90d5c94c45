"""Specs against transformers' own config classes, rotary modules and models (on the meta device)."""

import json
import struct
from logging import ERROR
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.masking_utils import causal_mask_function, sliding_window_causal_mask_function
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.utils import logging

from tests.model_specs.configs import ARCHITECTURES, PUBLISHED, TINY, Config, rope_scalings, tiny_configs
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operations import Span
from weft.model_specs.rope import RopeSpec

logging.set_verbosity(ERROR)  # it remarks on shapes that no model would have


def theirs(config: Config) -> Any:
    model_type = config["architectures"][0].removesuffix("ForCausalLM").lower()
    return AutoConfig.for_model(model_type, **json.loads(json.dumps(config)))


def ours(config: Config) -> ModelSpec:
    return spec_from_config(config, "config.json")


def their_frequencies(config: Config, length_tokens: int) -> tuple[list[float], float]:
    parsed = theirs(config)
    kind = parsed.rope_parameters["rope_type"]
    compute = LlamaRotaryEmbedding.compute_default_rope_parameters
    if kind != "default":
        compute = ROPE_INIT_FUNCTIONS[kind]
    frequencies, factor = compute(parsed, seq_len=length_tokens)
    return frequencies.tolist(), float(factor)


def float32_bits(value: float) -> int:
    return int(struct.unpack("<i", struct.pack("<f", value))[0])


def most_steps_apart(rope: RopeSpec, length_tokens: int, expected: list[float]) -> int:
    """The largest distance in units of the last place of a float32."""
    computed = rope.inverse_frequencies(length_tokens)
    assert len(computed) == len(expected)
    assert all(struct.unpack("<f", struct.pack("<f", value))[0] == value for value in computed)
    pairs = zip(computed, expected, strict=True)
    return max(abs(float32_bits(own) - float32_bits(other)) for own, other in pairs)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_shapes_rotate_as_in_transformers(name: str) -> None:
    spec = ours(PUBLISHED[name])
    frequencies, factor = their_frequencies(PUBLISHED[name], spec.max_length_tokens)
    assert most_steps_apart(spec.rope, spec.max_length_tokens, frequencies) <= 1
    assert spec.rope.attention_factor() == factor


@pytest.mark.parametrize("kind", ["default", "linear", "dynamic", "llama3", "yarn"])
@given(data=st.data())
def test_random_scalings_rotate_as_in_transformers(kind: str, data: st.DataObject) -> None:
    """Torch's vectorised power is off by up to one unit of 2^-23; each later step may round apart by another.

    There are at most three such steps, but see `amplified`.
    """
    config = TINY | {
        "head_dim": 2 * data.draw(st.integers(2, 80), "head_dim / 2"),
        "max_position_embeddings": data.draw(st.integers(16, 1 << 17), "max_position_embeddings"),
        "rope_theta": data.draw(st.floats(100.0, 1e8), "rope_theta"),
    }
    if kind != "default":
        config["rope_scaling"] = data.draw(rope_scalings(kind))
    spec = ours(config)
    frequencies, factor = their_frequencies(config, spec.max_length_tokens)
    allowed = 4 * 2.0**-23 * amplified(config)
    assert spec.rope.inverse_frequencies(spec.max_length_tokens) == pytest.approx(
        frequencies, rel=allowed, abs=0
    )
    assert spec.rope.attention_factor() == factor


def amplified(config: Config) -> float:
    """Llama 3's ramp magnifies an error where it is steep, all the more relative to a much slowed pair."""
    scaling = config.get("rope_scaling", {"rope_type": "default"})
    if scaling["rope_type"] != "llama3":
        return 1.0
    high = scaling["high_freq_factor"]
    return float(1.0 + scaling["factor"] * high / (high - scaling["low_freq_factor"]))


@given(length_tokens=st.integers(1, 1 << 18))
def test_dynamic_scaling_at_any_length_is_that_of_transformers(length_tokens: int) -> None:
    config = TINY | {"head_dim": 64, "rope_scaling": {"type": "dynamic", "factor": 4.0}}
    frequencies, _ = their_frequencies(config, length_tokens)
    computed = ours(config).rope.inverse_frequencies(length_tokens)
    assert computed == pytest.approx(frequencies, rel=2 * 2.0**-23, abs=0)


@given(config=tiny_configs())
def test_parameters_are_those_of_the_model_in_transformers(config: Config) -> None:
    with torch.device("meta"):
        make: Any = AutoModelForCausalLM.from_config
        model = make(theirs(config))
    model.tie_weights()
    assert ours(config).num_parameters == model.num_parameters()


@given(config=tiny_configs())
def test_windows_and_defaults_are_those_of_transformers(config: Config) -> None:
    parsed, spec = theirs(config), ours(config)
    layer_types = getattr(parsed, "layer_types", None) or ["sliding_attention"] * spec.num_layers
    window = getattr(parsed, "sliding_window", None)
    windows = tuple(window if kind == "sliding_attention" else None for kind in layer_types)
    assert spec.layer_windows == windows


@given(config=tiny_configs(), kind=st.sampled_from(["default", "linear", "dynamic", "llama3", "yarn"]))
def test_what_transformers_saves_reads_the_same(config: Config, kind: str) -> None:
    """transformers 5 writes another spelling of the rope keys, and many keys more."""
    scaling: Config = {"type": kind, "rope_type": kind}
    if kind != "default":
        scaling |= {"factor": 2.0}
    if kind == "llama3":
        scaling |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    if kind in ("llama3", "yarn"):
        scaling |= {"original_max_position_embeddings": 32}
    config = config | {"head_dim": 8, "rope_theta": 7e4, "rope_scaling": scaling, "torch_dtype": "float16"}
    saved = json.loads(theirs(config).to_json_string())
    assert "rope_parameters" in saved
    assert "rope_scaling" not in saved
    assert ours(saved) == ours(config)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_defaults_are_those_of_transformers(architecture: str) -> None:
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    parsed = theirs({"architectures": [architecture]})
    spec = ours({"architectures": [architecture]} | {key: getattr(parsed, key) for key in sizes})
    assert spec.num_kv_heads == (parsed.num_key_value_heads or parsed.num_attention_heads)
    assert spec.head_dim == getattr(parsed, "head_dim", parsed.hidden_size // parsed.num_attention_heads)
    assert spec.max_length_tokens == parsed.max_position_embeddings
    assert spec.norm_eps == parsed.rms_norm_eps
    assert spec.ties_embeddings == parsed.tie_word_embeddings
    assert spec.rope.theta == parsed.rope_parameters["rope_theta"]
    assert set(spec.layer_windows) == {parsed.sliding_window if architecture[0] == "M" else None}


@given(start=st.integers(0, 12), num_units=st.integers(1, 12), window=st.none() | st.integers(1, 15))
def test_pairs_are_those_of_transformers_masks(start: int, num_units: int, window: int | None) -> None:
    visible: Any = causal_mask_function if window is None else sliding_window_causal_mask_function(window)
    seen = [
        [bool(visible(0, 0, torch.tensor(query), torch.tensor(key))) for key in range(start + num_units)]
        for query in range(start, start + num_units)
    ]
    span = Span(start, num_units)
    assert span.num_pairs(window) == sum(map(sum, seen))
    assert span.num_visible(window) == sum(any(column) for column in zip(*seen, strict=True))
