"""Text as tokens arrive is the text of all of them, and never half a character."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.conftest import NAMES
from weft.text.detokenizer import Detokenizer
from weft.text.tokenizer import Tokenizer


def parts(ids: list[int], cuts: list[int]) -> Iterator[list[int]]:
    bounds = [0, *sorted(cut % (len(ids) + 1) for cut in cuts), len(ids)]
    return (ids[start:end] for start, end in pairwise(bounds))


@pytest.mark.parametrize("name", NAMES)
def test_parts_join_to_the_whole(tokenizers_by_name: dict[str, Tokenizer], name: str) -> None:
    tokenizer = tokenizers_by_name[name]
    bytes_only = [token for token in range(tokenizer.vocab_size) if len(tokenizer.piece(token)) == 1]
    any_token = st.integers(-1, tokenizer.vocab_size + 2)
    ids_of = st.lists(any_token | st.sampled_from(bytes_only or [0]) | st.integers(0, 4), max_size=24)

    @given(ids_of, st.lists(st.integers(0, 30), max_size=8), st.booleans())
    def check(ids: list[int], cuts: list[int], skip: bool) -> None:
        detokenizer = Detokenizer(tokenizer, skip_special=skip)
        shown = [detokenizer.append(part) for part in parts(ids, cuts)]
        assert "".join(shown) + detokenizer.finish() == tokenizer.decode(ids, skip_special=skip)

    check()


@pytest.mark.parametrize("name", ["byte_level", "byte_fallback", "sentencepiece"])
def test_whole_characters_only(tokenizers_by_name: dict[str, Tokenizer], name: str) -> None:
    tokenizer = tokenizers_by_name[name]
    text = "naïve 🙂 你 the é end"
    ids = tokenizer.encode(text)
    detokenizer = Detokenizer(tokenizer)
    shown = [detokenizer.append([token]) for token in ids]
    assert "".join(shown) == text
    assert not any("\ufffd" in part for part in shown)
    assert "🙂" in shown


def test_an_unfinished_character_is_held_until_the_end(tokenizers_by_name: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers_by_name["byte_level"]
    byte = {tokenizer.piece(token): token for token in range(tokenizer.vocab_size)}
    detokenizer = Detokenizer(tokenizer)
    assert detokenizer.append([byte[b"\xf0"], byte[b"\x9f"]]) == ""
    assert detokenizer.append([byte[b"a"]]) == "\ufffda"  # nothing can mend it any more
    assert detokenizer.append([byte[b"\xc3"]]) == ""
    assert detokenizer.finish() == "\ufffd"


def test_the_leading_space_goes_once(tokenizers_by_name: dict[str, Tokenizer]) -> None:
    for name in ("byte_fallback", "sentencepiece"):
        tokenizer = tokenizers_by_name[name]
        the = tokenizer.encode("the", add_special=False)
        detokenizer = Detokenizer(tokenizer)
        assert detokenizer.append([1, *the]) == "the"
        assert detokenizer.append(the) == " the"
        assert Detokenizer(tokenizer, skip_special=False).append([1, *the]) == "<s> the"
