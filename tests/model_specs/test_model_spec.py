"""Groups, state and parameters of specs; impossible specs are refused."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_specs.configs import PUBLISHED, TINY
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.state import PagedGroup
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import LayerGroup
from weft.model_specs.rope import RopeSpec

SPEC = spec_from_config(TINY, "config.json")


def test_layers_group_by_window_in_order_of_first_layer() -> None:
    spec = replace(SPEC, layer_windows=(7, None, 7, 3, None))
    assert spec.num_layers == 5
    assert spec.layer_groups == (
        LayerGroup("attention_window_7", 7, (0, 2)),
        LayerGroup("attention", None, (1, 4)),
        LayerGroup("attention_window_3", 3, (3,)),
    )


@given(st.lists(st.none() | st.integers(1, 4), min_size=1, max_size=20))
def test_each_layer_is_in_one_group(windows: list[int | None]) -> None:
    groups = replace(SPEC, layer_windows=tuple(windows)).layer_groups
    assert sorted(layer for group in groups for layer in group.layers) == list(range(len(windows)))
    assert all(windows[layer] == group.window_tokens for group in groups for layer in group.layers)


def test_state_has_keys_and_values_of_each_layer_of_a_group() -> None:
    layout = replace(SPEC, layer_windows=(None, 5, None)).state_layout(NumberFormat.FLOAT16, block_tokens=8)
    # 2 layers x 2 (key, value) x 2 heads x 4 numbers x 2 bytes
    assert layout.groups == (PagedGroup("attention", 64), PagedGroup("attention_window_5", 32, 5))
    assert layout.block_tokens == 8
    assert SPEC.state_layout(NumberFormat.FLOAT32).groups == (PagedGroup("attention", 128),)


@pytest.mark.parametrize(
    ("name", "parameters"),
    # as the model cards state them: 8.03 B, 7.62 B, 0.6 B, 7.24 B
    [
        ("llama-3.1-8b", 8_030_261_248),
        ("qwen-2.5-7b", 7_615_616_512),
        ("qwen-3-0.6b", 596_049_920),
        ("mistral-7b", 7_241_732_096),
    ],
)
def test_published_models_have_their_published_size(name: str, parameters: int) -> None:
    assert spec_from_config(PUBLISHED[name], name).num_parameters == parameters


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vocab_size", 0, "vocab_size is 0; it must be at least 1"),
        ("num_kv_heads", -1, "num_kv_heads is -1"),
        ("max_length_tokens", 0, "max_length_tokens is 0"),
        ("num_kv_heads", 3, r"num_kv_heads is 3; it must divide num_heads \(4\)"),
        ("head_dim", 5, "head_dim is 5; it must be even"),
        ("rope", RopeSpec(1e4, 2), r"rope turns 2 dimensions; it must be the head_dim \(4\)"),
        ("layer_windows", (), "at least one layer"),
        ("layer_windows", (None, 0), "layer_windows has 0"),
        ("norm_eps", 0.0, "norm_eps is 0.0"),
        ("norm_eps", nan, "norm_eps is nan"),
        ("norm_eps", inf, "norm_eps is inf"),
    ],
)
def test_an_impossible_spec_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        replace(SPEC, **{field: value})
