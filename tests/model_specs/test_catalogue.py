"""Common models: their sizes are those that their publishers state."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model_specs.configs import PUBLISHED, TINY
from tests.model_specs.test_config_fuzz import complaint, values
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.state import PagedGroup
from weft.model_specs.builtin import NAMES, builtin_model
from weft.model_specs.catalogue.entry import CatalogueModel
from weft.model_specs.catalogue.find import MODELS, find_model
from weft.model_specs.families import FAMILIES, spec_from_config
from weft.model_specs.planned_families import PLANNED_ONLY, planning_spec, read_planning_spec

BY_NAME = {model.name: model for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_parameters_are_as_published(model: CatalogueModel) -> None:
    spec = find_model(model.name)
    assert spec.num_parameters / 1e9 == pytest.approx(model.published_billions, rel=0.02)
    if model.active_billions is not None:
        assert spec.num_active_parameters / 1e9 == pytest.approx(model.active_billions, rel=0.02)


@pytest.mark.parametrize(("name", "directory"), NAMES.items())
def test_models_that_come_with_weft_are_known_by_name(name: str, directory: str) -> None:
    assert builtin_model(name).name == directory
    assert find_model(name) == read_planning_spec(builtin_model(name))


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    # layers x 2 x heads of keys x head size x 2 bytes; DeepSeek-V3 keeps 576 numbers (arXiv 2412.19437, 2.1.1)
    [
        ("llama-3.1-8b", 32 * 2 * 8 * 128 * 2),
        ("opt-13b", 40 * 2 * 40 * 128 * 2),
        ("falcon-7b", 32 * 2 * 1 * 64 * 2),
        ("deepseek-v3", 61 * 576 * 2),
    ],
)
def test_state_per_token(name: str, bytes_per_token: int) -> None:
    (group,) = find_model(name).state_layout(NumberFormat.FLOAT16).groups
    assert group == PagedGroup("attention", bytes_per_token)


def test_catalogue_and_config_files_agree() -> None:
    pairs = {"llama-3.1-8b": "Llama-3.1-8B", "qwen-2.5-7b": "Qwen2.5-7B", "mistral-7b": "Mistral-7B-v0.1"}
    for written, name in pairs.items():
        assert find_model(name).num_parameters == spec_from_config(PUBLISHED[written], written).num_parameters


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B"),
        ("llama-2-7b-chat-hf", "meta-llama/Llama-2-7b-hf"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistralai/Mixtral-8x7B-v0.1"),
        ("meta-llama/Llama-3-8B", "meta-llama/Meta-Llama-3-8B"),
    ],
)
def test_what_training_set_apart_does_not_count(given: str, name: str) -> None:
    assert find_model(given) == find_model(name)


def test_names_are_unambiguous() -> None:
    assert len(BY_NAME) == len(MODELS)
    specs = [find_model(model.name) for model in MODELS]
    assert all(spec == planning_spec(model.config, "") for spec, model in zip(specs, MODELS, strict=True))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigurationError, match=r"model 'lama-3.1-8b' .* did you mean meta-llama/Llama-3.1-8B\?"
    ):
        find_model("lama-3.1-8b")
    with pytest.raises(ConfigurationError, match="is neither a path nor in the catalogue; give a path"):
        find_model("nothing/of-the-kind")


def test_a_directory_or_its_config_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(TINY))
    assert find_model(str(tmp_path)) == find_model(str(file)) == spec_from_config(TINY, "c")
    assert read_planning_spec(tmp_path).hidden_size == TINY["hidden_size"]


def test_a_server_refuses_what_can_only_be_planned() -> None:
    assert not set(PLANNED_ONLY) & set(FAMILIES)
    with pytest.raises(ConfigurationError, match='architecture "OPTForCausalLM" is unknown; supported are'):
        spec_from_config(BY_NAME["facebook/opt-13b"].config, "config.json")
    with pytest.raises(ConfigurationError, match='c: architecture "Abacus" is unknown; known are Llama'):
        planning_spec({"architectures": ["Abacus"]}, "c")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        (
            "facebook/opt-13b",
            {"word_embed_proj_dim": 512},
            "word_embed_proj_dim is 512; it must be absent or",
        ),
        ("facebook/opt-13b", {"do_layer_norm_before": False}, "do_layer_norm_before is false"),
        ("facebook/opt-13b", {"enable_bias": False}, "enable_bias is false"),
        ("facebook/opt-13b", {"num_attention_heads": 7}, "a hidden size of 5120 cannot be cut into 7 heads"),
        ("tiiuae/falcon-7b", {"alibi": True}, "alibi is true"),
        ("tiiuae/falcon-7b", {"parallel_attn": False}, "parallel_attn is false"),
        ("tiiuae/falcon-7b", {"hidden_size": 4545}, r"hidden_size is 4545; it must be a multiple of"),
        ("deepseek-ai/DeepSeek-V3", {"kv_lora_rank": None}, "kv_lora_rank is missing"),
        (
            "deepseek-ai/DeepSeek-V3",
            {"quantization_config": {"quant_method": "fp8"}},
            "quantization_config is",
        ),
        ("mistralai/Mixtral-8x7B-v0.1", {"num_local_experts": 0}, "num_local_experts is 0"),
    ],
)
def test_what_is_not_planned_for_is_refused(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        planning_spec({**BY_NAME[name].config, **changes}, name)


ONE_OF_EACH = [
    next(model for model in MODELS if model.config["architectures"] == [architecture])
    for architecture in PLANNED_ONLY
]


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, object]:
    """The config of a model that can only be planned, with some of its values replaced."""
    config = draw(st.sampled_from(ONE_OF_EACH)).config
    return {**config, **draw(st.dictionaries(st.sampled_from(list(config)), values, max_size=3))}


@given(damaged())
def test_a_damaged_config_is_read_or_refused_in_one_line(config: dict[str, object]) -> None:
    message = complaint(planning_spec, config)
    if message is None:
        assert planning_spec(config, "c").num_parameters > 0
    else:
        assert message.startswith("some.json: ")
        assert "\n" not in message
