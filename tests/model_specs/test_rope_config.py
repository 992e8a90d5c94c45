"""The two spellings of rope in config.json, and what is refused in them."""

import pytest

from tests.model_specs.configs import TINY, Config
from weft.contracts.errors import ConfigurationError
from weft.model_specs.families import spec_from_config
from weft.model_specs.rope import RopeSpec
from weft.model_specs.rope_scalings import DynamicScaling, LinearScaling, Llama3Scaling, YarnScaling


def read(changes: Config) -> RopeSpec:
    return spec_from_config(TINY | changes, "config.json").rope


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, RopeSpec(10_000.0, 4)),
        ({"rope_theta": 500, "rope_scaling": None}, RopeSpec(500.0, 4)),
        ({"rope_parameters": {"rope_theta": 7.5, "rope_type": "default"}}, RopeSpec(7.5, 4)),
        ({"rope_parameters": {}, "rope_scaling": {"type": "default"}}, RopeSpec(10_000.0, 4)),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, RopeSpec(1e4, 4, LinearScaling(2.0))),
        ({"rope_scaling": {"type": "dynamic", "factor": 2}}, RopeSpec(1e4, 4, DynamicScaling(2.0, 64))),
        (
            # transformers scales dynamically from the stated length, whatever the original
            {"original_max_position_embeddings": 32, "rope_scaling": {"type": "dynamic", "factor": 2}},
            RopeSpec(1e4, 4, DynamicScaling(2.0, 64)),
        ),
        (
            {"rope_parameters": {"rope_theta": 9.0, "type": "old", "rope_type": "linear", "factor": 2.0}},
            RopeSpec(9.0, 4, LinearScaling(2.0)),
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 2.0, "finetuned": True, "truncate": False}},
            RopeSpec(1e4, 4, YarnScaling(2.0, 64, truncates=False)),
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": None, "original_max_position_embeddings": 16}},
            RopeSpec(1e4, 4, YarnScaling(4.0, 16)),
        ),
        (
            {
                "original_max_position_embeddings": 32,
                "rope_scaling": {
                    "rope_type": "llama3",
                    "factor": 2.0,
                    "low_freq_factor": 1,
                    "high_freq_factor": 4,
                    "original_max_position_embeddings": 16,
                },
            },
            RopeSpec(1e4, 4, Llama3Scaling(2.0, 1.0, 4.0, 32)),
        ),
        (
            {
                "rope_scaling": {
                    "rope_type": "yarn",
                    "factor": 2.0,
                    "beta_fast": 16,
                    "beta_slow": 2,
                    "attention_factor": 0.5,
                    "mscale": 1,
                    "mscale_all_dim": 0.5,
                }
            },
            RopeSpec(1e4, 4, YarnScaling(2.0, 64, 16.0, 2.0, 0.5, 1.0, 0.5)),
        ),
    ],
)
def test_both_spellings_are_read(changes: Config, expected: RopeSpec) -> None:
    assert read(changes) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rope_scaling": {"type": "longrope", "factor": 2.0}},
            "rope_scaling.type is \"longrope\"; it must be one of the supported 'default', 'linear', 'dynamic', "
            "'llama3', 'yarn'",
        ),
        (
            {"rope_parameters": {"rope_type": "axial"}},
            'rope_parameters.rope_type is "axial"; it must be one of',
        ),
        ({"rope_parameters": {"rope_type": 5}}, "rope_parameters.rope_type is 5; it must be a string"),
        (
            {"rope_scaling": {"type": "linear"}},
            "rope_scaling.factor is missing; it must be a number between 1",
        ),
        (
            {"rope_scaling": {"type": "linear", "factor": 0.5}},
            "rope_scaling.factor is 0.5; it must be a number",
        ),
        ({"rope_scaling": [2.0]}, r"rope_scaling is \[2.0\]; it must be an object"),
        (
            {"rope_scaling": {"type": "linear", "factor": 2.0, "mrope_section": [1]}},
            "rope_scaling.mrope_section is unknown for rope_type 'linear', which takes factor; remove it",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 1e4}}},
            "rope_parameters.full_attention is unknown for rope_type 'default', which takes no further key",
        ),
        (
            {"rope_parameters": {"rope_theta": 5.0}, "rope_scaling": {"type": "linear", "factor": 2.0}},
            "rope_parameters and rope_scaling are both given and differ; remove one",
        ),
        ({"rope_theta": 1}, "rope_theta is 1; it must be above 1"),
        ({"rope_theta": -1e4}, "rope_theta is -10000.0; it must be a number between 1"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5; it must be 1, since rotating part"),
        (
            {"rope_parameters": {"partial_rotary_factor": 0.25}},
            "rope_parameters.partial_rotary_factor is 0.25; it must be 1",
        ),
        (
            {"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 128}},
            "rope factor is 0.5; it must be between 1",
        ),
        (
            {"rope_scaling": {"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4}},
            "rope high_freq_factor is 4.0; it must be above low_freq_factor",
        ),
        (
            {"head_dim": 2, "rope_scaling": {"type": "dynamic", "factor": 2}},
            "rope turns 2 dimensions; dynamic scaling needs at least 4",
        ),
    ],
)
def test_what_cannot_be_rotated_is_refused(changes: Config, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^config.json: {message}"):
        read(changes)
