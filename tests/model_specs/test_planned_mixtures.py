"""Mixtures of experts that can be planned for, with what sets their configs apart."""

from typing import Any

import pytest

from weft.contracts.errors import ConfigurationError
from weft.model_specs.catalogue.find import MODELS, find_model
from weft.model_specs.planned_families import planning_spec


def changed(name: str, **changes: Any) -> dict[str, object]:
    (model,) = (each for each in MODELS if each.name == name)
    return {**model.config, **changes}


def test_every_other_layer_of_gpt_oss_sees_a_window() -> None:
    spec = find_model("openai/gpt-oss-120b")
    assert [group.window_tokens for group in spec.layer_groups] == [128, None]
    assert [len(group.layers) for group in spec.layer_groups] == [18, 18]
    assert spec.layer_windows[0] == 128


def test_layers_of_gpt_oss_may_be_listed() -> None:
    layers = ["full_attention"] * 35 + ["sliding_attention"]
    spec = planning_spec(changed("openai/gpt-oss-120b", layer_types=layers, sliding_window=64), "config.json")
    assert spec.layer_windows == (None,) * 35 + (64,)
    with pytest.raises(ConfigurationError, match="layer_types has 2 entries; give 36"):
        planning_spec(changed("openai/gpt-oss-120b", layer_types=layers[:2]), "config.json")


def test_minimax_has_norms_of_queries_and_keys_unless_it_says_otherwise() -> None:
    name = "MiniMaxAI/MiniMax-M2.5"
    assert find_model(name).has_head_norms
    assert planning_spec(changed(name, use_qk_norm=True), "config.json") == find_model(name)
    assert not planning_spec(changed(name, use_qk_norm=False), "config.json").has_head_norms


@pytest.mark.parametrize("name", ["openai/gpt-oss-120b", "MiniMaxAI/MiniMax-M2.5"])
def test_every_layer_has_experts(name: str) -> None:
    spec = find_model(name)
    assert len(spec.expert_layers) == spec.num_layers
    assert spec.num_active_parameters < spec.num_parameters / 10
