"""vocab.json with merges.txt gives the tokenizer that a tokenizer.json would have given."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from transformers import GPT2Tokenizer, Qwen2Tokenizer

from tests.architecture.source import ROOT
from tests.text import tiny
from tests.text.test_tokenizers import TEXTS
from weft.contracts.errors import ConfigurationError
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer

SHARED = ROOT.parent / "shared/data/tokenizers"


@pytest.fixture
def folder(byte_level_files: Path, tmp_path: Path) -> Path:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(byte_level_files / name, tmp_path)
    return tmp_path


def check_same_ids(tokenizer: Tokenizer, oracle: Any) -> None:
    @given(TEXTS)
    @settings(max_examples=40)
    def compare(text: str) -> None:
        assert tokenizer.encode(text, add_special=False) == oracle.encode(text, add_special_tokens=False)

    compare()
    text = "I'll count 12345 e\u0301tudes\n\n  then   they're done\t!!"
    assert tokenizer.encode(text, add_special=False) == oracle.encode(text, add_special_tokens=False)


ORACLES: dict[str, Any] = {"GPT2Tokenizer": GPT2Tokenizer, "Qwen2Tokenizer": Qwen2Tokenizer}


@pytest.mark.parametrize("name", ORACLES)
def test_text_is_cut_as_the_class_does(folder: Path, name: str) -> None:
    config = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    tiny.write_json(folder / "tokenizer_config.json", config | {"tokenizer_class": name})
    check_same_ids(load_tokenizer(folder), ORACLES[name].from_pretrained(str(folder)))


def test_without_a_configuration_it_is_gpt2(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    assert tokenizer.bos_token_id is None
    assert tokenizer.decode(tokenizer.encode("the 你好 fox")) == "the 你好 fox"


def test_added_tokens_have_their_ids(folder: Path) -> None:
    size = load_tokenizer(folder).vocab_size
    added = {str(size): {"content": "<|im_start|>", "special": True}}
    tiny.write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added})
    tiny.write_json(folder / "added_tokens.json", {"<tool>": size + 1})
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode("<|im_start|><tool>") == [size, size + 1]
    assert tokenizer.decode([size, size + 1]) == "<tool>"
    tiny.write_json(folder / "added_tokens.json", {"<tool>": size + 7})
    with pytest.raises(ConfigurationError, match=f"'<tool>' cannot have the id {size + 7}"):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("vocab.json", '{"a": -1}', "'a' has the id -1"),
        ("vocab.json", "[]", "holds a JSON list"),
        ("vocab.json", "{", "is not a vocabulary"),
        ("merges.txt", "a b\nabc\n", "line 2: 'abc' is no merge"),
        ("merges.txt", "zz yy\n", "is not a list of merges"),
        (
            "tokenizer_config.json",
            '{"tokenizer_class": "BertTokenizer"}',
            "of a BertTokenizer, of which Weft knows",
        ),
    ],
)
def test_a_corrupt_file_is_named(folder: Path, name: str, content: str, complaint: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=complaint):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    ("name", "tokenizer_class", "text", "ids"),
    [
        ("gpt2", "GPT2Tokenizer", "Hello world", [15496, 995]),
        ("qwen2", "Qwen2Tokenizer", "Hello world 12", [9707, 1879, 220, 16, 17]),
    ],
)
def test_the_shared_vocabularies(
    tmp_path: Path, name: str, tokenizer_class: str, text: str, ids: list[int]
) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"{SHARED / name} is not on this machine")
    for file in ("vocab.json", "merges.txt"):
        with zstandard.open(SHARED / name / f"{file}.zst", "rb") as packed:
            (tmp_path / file).write_bytes(packed.read())
    tiny.write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": tokenizer_class})
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.encode(text) == ids
    assert tokenizer.decode(ids) == text
