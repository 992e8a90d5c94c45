"""Which sampling and which end tokens a model's files recommend."""

import json
from pathlib import Path
from typing import Any

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import SamplingParams
from weft.model_specs.generation_config import (
    GenerationDefaults,
    default_sampling,
    generation_defaults,
    read_generation_defaults,
)


def read(**config: Any) -> GenerationDefaults:
    return generation_defaults(config, "generation_config.json")


def write(path: Path, **config: Any) -> None:
    path.write_text(json.dumps(config))


def test_an_empty_file_changes_nothing() -> None:
    assert read() == GenerationDefaults()
    assert default_sampling(read()) == SamplingParams()


def test_listed_values_are_the_defaults() -> None:
    defaults = read(
        do_sample=True,
        temperature=0.6,
        top_k=20,
        top_p=0.95,
        min_p=0.1,
        repetition_penalty=1.05,
        max_new_tokens=2048,
    )
    assert default_sampling(defaults) == SamplingParams(
        temperature=0.6, top_k=20, top_p=0.95, min_p=0.1, repetition_penalty=1.05, max_tokens=2048
    )


@pytest.mark.parametrize(
    ("config", "temperature"),
    [
        ({"do_sample": False}, 0.0),
        ({"do_sample": False, "temperature": 0.7}, 0.0),
        ({"do_sample": None, "temperature": 0.7}, 0.7),
        ({"temperature": 0.7}, 0.7),
        ({"temperature": 0}, 0.0),
        ({"do_sample": True}, 1.0),
    ],
)
def test_only_an_explicit_false_decodes_greedily(config: dict[str, Any], temperature: float) -> None:
    assert default_sampling(read(**config)).temperature == temperature


@pytest.mark.parametrize(
    ("value", "tokens"),
    [(2, (2,)), ([128001, 128009], (128001, 128009)), ([5, 5, 3], (5, 3)), ([], ()), (None, ()), (0, (0,))],
)
def test_one_or_several_end_tokens(value: Any, tokens: tuple[int, ...]) -> None:
    assert read(eos_token_id=value).eos_token_ids == tokens


def test_what_changes_output_and_is_left_out_is_listed() -> None:
    assert read(num_beams=4, typical_p=1.0, no_repeat_ngram_size=3, pad_token_id=0).not_applied == (
        "num_beams",
        "no_repeat_ngram_size",
    )


def test_tokens_come_from_config_json_where_the_file_has_none(tmp_path: Path) -> None:
    write(tmp_path / "config.json", eos_token_id=[7, 8], bos_token_id=1, do_sample=False, temperature=0.5)
    fallback = GenerationDefaults(eos_token_ids=(7, 8), bos_token_id=1)
    assert read_generation_defaults(tmp_path) == fallback
    write(tmp_path / "generation_config.json", eos_token_id=9, top_k=3)
    expected = GenerationDefaults(eos_token_ids=(9,), bos_token_id=1, top_k=3)
    assert read_generation_defaults(tmp_path) == expected
    (tmp_path / "config.json").unlink()
    assert read_generation_defaults(tmp_path) == GenerationDefaults(eos_token_ids=(9,), top_k=3)


def test_a_directory_without_either_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has neither generation_config\.json nor config\.json"):
        read_generation_defaults(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"eos_token_id": "2"},
            'eos_token_id is "2"; it must be a token id between 0 and 2147483647, or a list',
        ),
        ({"eos_token_id": [True]}, r"eos_token_id is \[true\]; it must be a token id"),
        ({"bos_token_id": -1}, "bos_token_id is -1; it must be a token id"),
        ({"top_p": 0}, "top_p is 0.0; it must be above 0 and at most 1"),
        ({"top_k": 1.5}, "top_k is 1.5; it must be a whole number between 0"),
        ({"temperature": -0.1}, "temperature is -0.1; it must be a number between 0"),
        ({"repetition_penalty": 0}, "repetition_penalty is 0.0; it must be a finite number above 0"),
        ({"do_sample": 1}, "do_sample is 1; it must be true or false"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0; it must be a whole number between 1"),
    ],
)
def test_a_bad_value_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^generation_config.json: {message}"):
        read(**config)


def test_a_bad_token_in_config_json_names_that_file(tmp_path: Path) -> None:
    write(tmp_path / "generation_config.json")
    write(tmp_path / "config.json", eos_token_id="</s>")
    with pytest.raises(ConfigurationError, match=r'/config\.json: eos_token_id is "</s>"'):
        read_generation_defaults(tmp_path)
