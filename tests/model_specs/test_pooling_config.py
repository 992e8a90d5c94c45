"""What a model's files say about its embeddings."""

import json
from pathlib import Path

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Pooling
from weft.model_specs.pooling_config import read_pooling

TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
NORMALIZE = {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}


def write(directory: Path, pooling: object, where: str = "1_Pooling") -> None:
    (directory / where).mkdir()
    (directory / where / "config.json").write_text(json.dumps(pooling))


def write_modules(directory: Path, *modules: object) -> None:
    (directory / "modules.json").write_text(json.dumps(modules))


def test_a_model_without_such_files_leaves_it_open(tmp_path: Path) -> None:
    assert read_pooling(tmp_path) is None


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_lasttoken": True}, Pooling.LAST),
        ({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}, Pooling.MEAN),
        ({"pooling_mode": "mean", "include_prompt": True}, Pooling.MEAN),
        ({"pooling_mode": "lasttoken"}, Pooling.LAST),
    ],
)
def test_either_form_is_read(tmp_path: Path, config: object, pooling: Pooling) -> None:
    write(tmp_path, config)
    assert read_pooling(tmp_path) is pooling


def test_the_list_of_modules_says_where_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"pooling_mode_cls_token": True})
    write(tmp_path, {"pooling_mode_mean_tokens": True}, "7_Pooling")
    module = {"path": "7_Pooling", "type": "sentence_transformers.models.Pooling"}
    write_modules(tmp_path, TRANSFORMER, module, NORMALIZE)
    assert read_pooling(tmp_path) is Pooling.MEAN


def test_a_path_does_not_lead_out_of_the_model(tmp_path: Path) -> None:
    write(tmp_path, {"pooling_mode_mean_tokens": True}, "elsewhere")
    model = tmp_path / "model"
    model.mkdir()
    write_modules(model, {"path": "../elsewhere", "type": "sentence_transformers.models.Pooling"})
    assert read_pooling(model) is None


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"pooling_mode_cls_token": True}, "pooling_mode_cls_token is true; it must be one of"),
        ({}, "no pooling mode is true"),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_lasttoken": True},
            "pooling_mode_mean_tokens and pooling_mode_lasttoken",
        ),
        ({"pooling_mode": "max"}, "pooling_mode is \"max\"; it must be one of 'lasttoken', 'mean'"),
        ({"pooling_mode": "mean", "include_prompt": False}, "include_prompt is false"),
    ],
)
def test_what_there_is_not_is_refused(tmp_path: Path, config: object, complaint: str) -> None:
    write(tmp_path, config)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        read_pooling(tmp_path)
    assert str(tmp_path / "1_Pooling" / "config.json") in str(caught.value)


def test_a_module_that_changes_the_vector_is_refused(tmp_path: Path) -> None:
    write_modules(tmp_path, TRANSFORMER, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    with pytest.raises(ConfigurationError, match=r"Dense.*would change embeddings"):
        read_pooling(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[1]", "[", ""])
def test_a_broken_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "modules.json").write_text(text)
    with pytest.raises(ConfigurationError, match="is not a JSON list of modules"):
        read_pooling(tmp_path)
