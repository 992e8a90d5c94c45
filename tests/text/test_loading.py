"""Finding tokenizers; whatever a file holds, the answer is a tokenizer or one clear line."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.text import tiny
from weft.contracts.errors import ConfigurationError
from weft.text.loading import find_tokenizer, load_tokenizer, missing_tokenizer
from weft.text.settings import read_settings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
SETTINGS = [
    *("bos_token", "eos_token", "add_bos_token", "legacy", "added_tokens_decoder", "tokenizer_class"),
    *("additional_special_tokens", "extra_special_tokens", "pad_token"),
]
FUZZ = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert find_tokenizer(tmp_path) is None
    with pytest.raises(ConfigurationError) as caught:
        load_tokenizer(tmp_path)
    assert (
        str(caught.value)
        == str(missing_tokenizer(tmp_path))
        == (
            f"{tmp_path} has no tokenizer (looked for tokenizer.json, tokenizer.model, vocab.json with merges.txt); "
            "give token ids, or name one with --tokenizer PATH"
        )
    )


@pytest.mark.parametrize("name", ["byte_level/tokenizer.json", "sentencepiece/tokenizer.model"])
def test_a_single_file_is_enough(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder, file = name.split("/")
    target = tmp_path / f"other{Path(file).suffix}"
    shutil.copy(folders[folder] / file, target)
    assert load_tokenizer(target).encode("the") == load_tokenizer(folders[folder]).encode("the")


def test_tokenizer_json_comes_first(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(folders["sentencepiece"] / "tokenizer.model", tmp_path)
    shutil.copy(folders["byte_level"] / "tokenizer.json", tmp_path)
    assert load_tokenizer(tmp_path).encode("the") == load_tokenizer(folders["byte_level"]).encode("the")


@pytest.mark.parametrize("name", ["nothing.json", "notes.txt"])
def test_a_path_that_is_no_tokenizer(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match=f"{name}.*name a folder, a tokenizer.json"):
        find_tokenizer(tmp_path / name)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer.model"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b'{"model": {}}', b"IQ== 0\nIg== 1\n", b"[" * 90000]
)
def test_a_corrupt_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_changed_tokenizer_json_is_read_or_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    original = json.loads((folders["byte_fallback"] / "tokenizer.json").read_text(encoding="utf-8"))

    @given(st.sampled_from(sorted(original)), JSON, st.booleans())
    @FUZZ
    def check(name: str, value: object, inside: bool) -> None:
        old = original[name]
        changed = {**old, sorted(old)[0]: value} if inside and isinstance(old, dict) else value
        tiny.write_json(tmp_path / "tokenizer.json", original | {name: changed})
        with contextlib.suppress(ConfigurationError):
            tokenizer = load_tokenizer(tmp_path)
            tokenizer.decode(range(0, tokenizer.vocab_size, 7))

    check()


def test_a_cut_model_is_read_or_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    original = (folders["sentencepiece"] / "tokenizer.model").read_bytes()

    @given(st.integers(0, len(original)), st.binary(max_size=4))
    @FUZZ
    def check(cut: int, tail: bytes) -> None:
        (tmp_path / "tokenizer.model").write_bytes(original[:cut] + tail)
        with contextlib.suppress(ConfigurationError):
            load_tokenizer(tmp_path).decode(range(100))

    check()


@given(st.dictionaries(st.sampled_from(SETTINGS), JSON))
@FUZZ
def test_any_settings_are_read_or_refused(tmp_path: Path, config: dict[str, object]) -> None:
    tiny.write_json(tmp_path / "tokenizer_config.json", config)
    with contextlib.suppress(ConfigurationError):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"add_bos_token": "yes"}, "add_bos_token is 'yes'; it must be true, false or null"),
        ({"eos_token": 7}, "eos_token is '7'; it must be a text"),
        ({"added_tokens_decoder": {"x": {"content": "a"}}}, "'x'; it must be under a token id"),
        ({"additional_special_tokens": "x"}, "must be a list of tokens"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, config: dict[str, object], complaint: str) -> None:
    tiny.write_json(tmp_path / "tokenizer_config.json", config)
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        read_settings(tmp_path)
    assert "tokenizer_config.json" in str(caught.value)


def test_the_configuration_wins_over_the_map(tmp_path: Path) -> None:
    tiny.write_json(
        tmp_path / "special_tokens_map.json", {"bos_token": "<a>", "eos_token": "<b>", "pad_token": "<c>"}
    )
    config = {"bos_token": None, "eos_token": "<e>", "extra_special_tokens": {"image": "<i>"}}
    tiny.write_json(tmp_path / "tokenizer_config.json", config)
    settings_read = read_settings(tmp_path)
    assert settings_read.special_tokens == {"eos_token": "<e>", "pad_token": "<c>"}
    assert settings_read.extra_special == ("<i>",)
