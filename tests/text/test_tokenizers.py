"""Each tokenizer does what its library does; the oracle is transformers."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders

from tests.text import tiny
from tests.text.conftest import JSON_MAKERS
from tests.text.oracle import fast_tokenizer
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer

TEXTS = st.text(st.sampled_from("the quick,'\n  é你🙂\u0301<s>|") | st.characters(codec="utf-8"), max_size=30)


@pytest.mark.parametrize("text", ["the quick brown fox", "Où ça? 你好", "it's  a\n\tdog 🙂", ""])
def test_text_survives(tokenizers_by_name: dict[str, Tokenizer], text: str) -> None:
    for name in ("byte_level", "byte_fallback", "sentencepiece"):
        tokenizer = tokenizers_by_name[name]
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert all(0 <= token < tokenizer.vocab_size for token in ids)


@pytest.mark.parametrize("name", JSON_MAKERS)
def test_ids_and_text_are_those_of_transformers(
    folders: dict[str, Path], tokenizers_by_name: dict[str, Tokenizer], name: str
) -> None:
    tokenizer = tokenizers_by_name[name]
    oracle = fast_tokenizer(folders[name])

    @given(TEXTS, st.booleans())
    @settings(max_examples=40)
    def compare(text: str, flag: bool) -> None:
        ids = tokenizer.encode(text, add_special=flag)
        assert ids == oracle.encode(text, add_special_tokens=flag)
        assert tokenizer.decode(ids, skip_special=flag) == oracle.decode(ids, skip_special_tokens=flag)

    compare()


@pytest.mark.parametrize("name", ["byte_level", "metaspace", "plain"])
def test_any_ids_have_the_text_that_the_library_gives_them(
    folders: dict[str, Path], tokenizers_by_name: dict[str, Tokenizer], name: str
) -> None:
    tokenizer = tokenizers_by_name[name]
    oracle = fast_tokenizer(folders[name])

    @given(st.lists(st.integers(0, tokenizer.vocab_size + 3), max_size=20), st.booleans())
    @settings(max_examples=40)
    def compare(ids: list[int], skip: bool) -> None:
        theirs = oracle.backend_tokenizer.decode(ids, skip_special_tokens=skip)
        assert tokenizer.decode(ids, skip_special=skip) == theirs

    compare()


def test_special_tokens_are_found_named_and_left_out(tokenizer: Tokenizer) -> None:
    assert tokenizer.special_tokens["bos_token"] == "<s>"
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert (bos, eos) == (1, 2)
    assert {1, 2} <= tokenizer.special_ids
    assert tokenizer.encode("<s>the</s>", add_special=False)[:1] == [1]
    assert tokenizer.encode("<s>the</s>", add_special=False)[-1:] == [2]
    assert tokenizer.decode([1, 2]) == ""
    assert tokenizer.decode([1]) == ""
    assert tokenizer.decode([1], skip_special=False) == "<s>"


def test_ids_that_nobody_knows_have_no_text(tokenizer: Tokenizer) -> None:
    (word,) = {tokenizer.decode([token]) for token in tokenizer.encode("the", add_special=False)[:1]}
    first = tokenizer.encode("the", add_special=False)[0]
    assert tokenizer.decode([-1, tokenizer.vocab_size, first, 10**12]) == word
    assert tokenizer.piece(-1) == tokenizer.piece(10**12) == b""


def test_a_piece_is_what_a_token_adds_in_the_middle(tokenizers_by_name: dict[str, Tokenizer]) -> None:
    for name in ("byte_level", "byte_fallback", "sentencepiece"):
        tokenizer = tokenizers_by_name[name]
        ids = tokenizer.encode("a the 🙂", add_special=False)
        assert b"".join(map(tokenizer.piece, ids)).decode().lstrip(" ") == "a the 🙂"


def test_text_that_is_no_unicode_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InvalidRequest, match="cannot be encoded"):
        tokenizer.encode("half a pair: \ud800")


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [
        ({}, [1], []),  # the post-processor's
        ({"add_bos_token": False}, [], []),
        ({"add_eos_token": True}, [], [2]),
        ({"add_bos_token": True, "add_eos_token": True}, [1], [2]),
    ],
)
def test_begin_and_end_are_added_as_the_settings_say(
    folders: dict[str, Path], tmp_path: Path, flags: dict[str, bool], before: list[int], after: list[int]
) -> None:
    content = (folders["byte_level"] / "tokenizer.json").read_text(encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    tiny.write_json(tmp_path / "tokenizer_config.json", tiny.CONFIG | flags)
    tokenizer = load_tokenizer(tmp_path)
    inner = tokenizer.encode("the fox", add_special=False)
    assert tokenizer.encode("the fox") == [*before, *inner, *after]


def test_truncation_and_padding_of_the_file_are_off(tmp_path: Path) -> None:
    backend = tiny.byte_level()
    backend.enable_truncation(3)
    backend.enable_padding(length=64)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
    text = "the quick brown fox jumps over a lazy dog"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("a", add_special=False) == backend.encode("a", add_special_tokens=False).ids[:1]


def test_an_added_token_in_a_byte_level_tokenizer_is_its_plain_text(tmp_path: Path) -> None:
    backend = tiny.byte_level()
    backend.add_tokens(["café Ġ"])
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.decode(tokenizer.encode("a café Ġ!")) == "a café Ġ!"


def test_wrong_bytes_spoil_only_themselves(tokenizers_by_name: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers_by_name["byte_fallback"]
    first = next(token for token in range(tokenizer.vocab_size) if tokenizer.piece(token) == b"\x80") - 0x80
    assert tokenizer.decode([first + 0xC3, first + 0xA9, first + 0xFF]) == "é\ufffd"
    assert tokenizer.decode([first + 0xE4, first + 0xBD]) == "\ufffd\ufffd"


@pytest.mark.parametrize(
    "decoder",
    [
        decoders.BPEDecoder(),
        decoders.WordPiece(),
        decoders.CTC(),
        decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 1, 1)]),
        decoders.Sequence([decoders.Fuse(), decoders.Replace("a", "b")]),
    ],
)
def test_a_decoder_that_needs_the_whole_text_is_refused(tmp_path: Path, decoder: object) -> None:
    backend = tiny.plain()
    backend.decoder = decoder  # type: ignore[assignment]
    backend.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(
        ConfigurationError, match=r"tokenizer\.json has the decoder .* use a tokenizer with one"
    ):
        load_tokenizer(tmp_path)


def test_a_missing_end_of_sequence_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    content = json.loads((folders["byte_level"] / "tokenizer.json").read_text(encoding="utf-8"))
    tiny.write_json(tmp_path / "tokenizer.json", content)
    tiny.write_json(tmp_path / "tokenizer_config.json", {"eos_token": "<end>"})
    with pytest.raises(ConfigurationError, match=r"no token '<end>'.*eos_token"):
        load_tokenizer(tmp_path)
