"""SentencePiece models: the library itself and transformers' LlamaTokenizer are the oracles."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from transformers import LlamaTokenizer

from tests.architecture.source import ROOT
from tests.text import tiny
from tests.text.conftest import MODEL_OPTIONS
from tests.text.test_tokenizers import TEXTS
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer

SHARED_MODEL = ROOT.parent / "shared/data/models/tok512_family/tok512.model"


def check_against_library(tokenizer: Tokenizer, processor: SentencePieceProcessor) -> None:
    """Same ids for a text; same text for any ids but special ones, which the library shows as nothing."""
    plain = [token for token in range(tokenizer.vocab_size) if token not in tokenizer.special_ids]
    spaces = [token for token in plain if tokenizer.piece(token).startswith(b" ")]

    @given(st.lists(st.sampled_from(plain) | st.sampled_from(spaces), max_size=12))
    @settings(max_examples=60)
    def same_text(ids: list[int]) -> None:
        assert tokenizer.decode(ids) == processor.decode(ids)

    @given(TEXTS)
    @settings(max_examples=40)
    def same_ids(text: str) -> None:
        text = text.replace("<", "(")
        assert tokenizer.encode(text, add_special=False) == processor.encode(text)
        assert tokenizer.encode(text) == [processor.bos_id(), *processor.encode(text)]

    same_text()
    same_ids()


@pytest.mark.parametrize("name", MODEL_OPTIONS)
def test_ids_and_text_are_those_of_the_library(
    folders: dict[str, Path], tokenizers_by_name: dict[str, Tokenizer], name: str
) -> None:
    model = (folders[name] / "tokenizer.model").read_bytes()
    check_against_library(tokenizers_by_name[name], SentencePieceProcessor(model_proto=model))


def test_the_shared_model_of_512_pieces() -> None:
    if not SHARED_MODEL.is_file():
        pytest.skip(f"{SHARED_MODEL} is not on this machine")
    tokenizer = load_tokenizer(SHARED_MODEL)
    assert tokenizer.vocab_size == 512
    check_against_library(tokenizer, SentencePieceProcessor(model_file=str(SHARED_MODEL)))


def configured(folders: dict[str, Path], folder: Path, config: dict[str, object]) -> Tokenizer:
    shutil.copy(folders["sentencepiece"] / "tokenizer.model", folder)
    tiny.write_json(folder / "tokenizer_config.json", config)
    return load_tokenizer(folder)


@pytest.mark.parametrize("legacy", [False, True])
def test_parts_between_special_tokens_are_encoded_as_transformers_does(
    folders: dict[str, Path], tmp_path: Path, legacy: bool
) -> None:
    config = {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "legacy": legacy}
    tokenizer = configured(folders, tmp_path, config | {"tokenizer_class": "LlamaTokenizer"})
    oracle = LlamaTokenizer.from_pretrained(str(tmp_path))
    for text in ("the fox", "<s>the fox</s>a dog", "the</s> fox <s>", "</s></s>the old house"):
        assert tokenizer.encode(text) == oracle.encode(text), text
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == oracle.decode(ids, skip_special_tokens=True)


def test_added_tokens_are_found_where_they_may_be(folders: dict[str, Path], tmp_path: Path) -> None:
    added = {
        "420": {"content": "<|a|>", "special": True},
        "421": {"content": "<|a|><|b|>"},
        "422": {"content": "dog", "single_word": True},
        "423": {"content": "<cut>", "lstrip": True, "rstrip": True},
    }
    tokenizer = configured(folders, tmp_path, {"added_tokens_decoder": added})
    assert tokenizer.vocab_size == 424
    assert tokenizer.encode("<|a|><|b|><|a|>", add_special=False) == [421, 420]
    assert 422 in tokenizer.encode("a dog!")
    assert 422 not in tokenizer.encode("hotdog")
    assert tokenizer.encode("<s> <cut>\n<s>", add_special=False) == [1, 423, 1]
    assert tokenizer.decode([420, 421]) == "<|a|><|b|>"
    assert 420 in tokenizer.special_ids


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [({}, [1], []), ({"add_bos_token": False, "add_eos_token": True}, [], [2])],
)
def test_begin_and_end(
    folders: dict[str, Path], tmp_path: Path, flags: dict[str, object], before: list[int], after: list[int]
) -> None:
    tokenizer = configured(folders, tmp_path, flags)
    inner = tokenizer.encode("the fox", add_special=False)
    assert tokenizer.encode("the fox") == [*before, *inner, *after]
