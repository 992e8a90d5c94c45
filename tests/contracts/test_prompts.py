"""What a block's content key depends on, and which prompts are refused."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import (
    HashPrompt,
    LengthPrompt,
    MediaItem,
    Prompt,
    Sharing,
    TokenPrompt,
    encode_tokens,
)

BLOCK = 4
tokens = st.lists(st.integers(0, 2**31 - 1), min_size=BLOCK, max_size=BLOCK).map(tuple)


def refusal(text: str) -> str:
    return re.escape(text)


@given(first=tokens, second=tokens)
def test_blocks_have_equal_keys_exactly_where_their_tokens_are_equal(
    first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    keys = [TokenPrompt(each).content_key(0, BLOCK) for each in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)


@given(before=tokens, block=tokens)
def test_what_comes_before_a_block_does_not_enter_its_key(
    before: tuple[int, ...], block: tuple[int, ...]
) -> None:
    assert TokenPrompt(before + block).content_key(1, BLOCK) == TokenPrompt(block).content_key(0, BLOCK)


@given(text=tokens, cut=st.integers(1, BLOCK - 1))
def test_output_after_a_prompt_counts_like_the_same_tokens_in_a_longer_prompt(
    text: tuple[int, ...], cut: int
) -> None:
    short, whole = TokenPrompt(text[:cut]), TokenPrompt(text)
    assert short.content_key(0, BLOCK, text[cut:]) == whole.content_key(0, BLOCK)


def test_a_block_of_output_alone_has_the_key_of_its_tokens() -> None:
    assert TokenPrompt((1, 2, 3, 4)).content_key(1, BLOCK, (5, 6, 7, 8)) == encode_tokens((5, 6, 7, 8))


def test_tokens_are_told_apart_from_their_neighbours() -> None:
    assert encode_tokens((1, 23)) != encode_tokens((12, 3))
    assert len(encode_tokens((0, 2**31 - 1))) == 8


PLACEHOLDERS = (0,) * 12


def media_keys(*items: MediaItem) -> list[bytes]:
    prompt = TokenPrompt(PLACEHOLDERS, items)
    return [prompt.content_key(block, BLOCK) for block in range(3)]


def test_a_media_item_enters_the_keys_of_the_blocks_it_touches_and_no_others() -> None:
    plain, cat, dog = media_keys(), media_keys(MediaItem(b"cat", 2, 4)), media_keys(MediaItem(b"dog", 2, 4))
    assert [one == other for one, other in zip(cat, plain, strict=True)] == [False, False, True]
    assert [one == other for one, other in zip(cat, dog, strict=True)] == [False, False, True]


def test_an_item_that_fills_a_block_leaves_its_neighbours_alone() -> None:
    plain, cat = media_keys(), media_keys(MediaItem(b"cat", 4, 4))
    assert [one == other for one, other in zip(cat, plain, strict=True)] == [True, False, True]


def test_where_an_item_begins_and_how_long_it_is_enters_the_key() -> None:
    keys = [
        media_keys(item)[0]
        for item in (MediaItem(b"cat", 0, 4), MediaItem(b"cat", 0, 3), MediaItem(b"cat", 1, 3))
    ]
    assert len(dict.fromkeys(keys)) == 3


def test_the_same_item_at_the_same_place_gives_equal_keys_in_blocks_elsewhere() -> None:
    assert media_keys(MediaItem(b"cat", 1, 2))[0] == media_keys(MediaItem(b"cat", 5, 2))[1]


def test_two_items_in_a_block_both_count() -> None:
    first, second = MediaItem(b"cat", 0, 1), MediaItem(b"dog", 2, 1)
    assert media_keys(first, second)[0] not in (media_keys(first)[0], media_keys(second)[0])


@pytest.mark.parametrize(
    "item",
    [MediaItem(b"x", -1, 2), MediaItem(b"x", 3, 0), MediaItem(b"x", 11, 2), MediaItem(b"x", 1, 2)],
    ids=["before the prompt", "empty", "beyond the prompt", "out of order"],
)
def test_a_misplaced_media_item_is_refused_by_position(item: MediaItem) -> None:
    with pytest.raises(InvalidRequest, match=f"position {item.start} with {item.num_tokens} tokens"):
        TokenPrompt(PLACEHOLDERS, (MediaItem(b"first", 0, 3), item))


@pytest.mark.parametrize("token", [-1, 2**31])
def test_a_token_that_does_not_fit_is_refused_with_its_value(token: int) -> None:
    with pytest.raises(InvalidRequest, match=f"token id {token} is outside 0 to"):
        TokenPrompt((0, token))


@pytest.mark.parametrize(
    "make", [lambda: TokenPrompt(()), lambda: LengthPrompt(0), lambda: HashPrompt(0, (), 8)]
)
def test_an_empty_prompt_is_refused(make: Callable[[], Prompt]) -> None:
    with pytest.raises(InvalidRequest, match="a prompt has 0 tokens; it needs at least 1"):
        make()


@pytest.mark.parametrize(("block_tokens", "expected"), [(8, [b"70+0", b"71+0"]), (4, [b"70+0", b"70+4"])])
def test_a_prompt_hash_covers_several_blocks_by_offset(block_tokens: int, expected: list[bytes]) -> None:
    prompt = HashPrompt(16, (70, 71), hash_tokens=8)
    assert [prompt.content_key(block, block_tokens) for block in range(2)] == expected


def test_blocks_under_one_hash_differ_and_under_equal_hashes_agree() -> None:
    prompt, other = HashPrompt(16, (7, 7), 8), HashPrompt(12, (7, 9), 8)
    keys = [prompt.content_key(block, BLOCK) for block in range(4)]
    assert keys[:2] == keys[2:] == [other.content_key(block, BLOCK) for block in range(2)]
    assert keys[0] != keys[1]


def test_a_hash_may_cover_a_single_token() -> None:
    assert HashPrompt(2, (5, 6), hash_tokens=1).content_key(1, 1) == b"6+0"


def test_the_last_hash_may_cover_fewer_tokens() -> None:
    assert HashPrompt(9, (1, 2), 8).content_key(1, 8) == b"2+0"


@pytest.mark.parametrize(("num_tokens", "num_hashes", "needed"), [(16, 1, 2), (17, 2, 3), (8, 2, 1)])
def test_a_wrong_number_of_hashes_is_refused_with_the_right_one(
    num_tokens: int, num_hashes: int, needed: int
) -> None:
    text = f"{num_hashes} hashes of 8 tokens for a prompt of {num_tokens} tokens; {needed} are needed"
    with pytest.raises(InvalidRequest, match=refusal(text)):
        HashPrompt(num_tokens, (0,) * num_hashes, 8)


def test_blocks_that_do_not_divide_a_hash_are_refused_with_both_sizes() -> None:
    with pytest.raises(InvalidRequest, match="hash covers 8 tokens, which blocks of 3 tokens do not divide"):
        HashPrompt(8, (1,), 8).content_key(0, 3)


@pytest.mark.parametrize(
    ("prompt", "sharing"),
    [
        (TokenPrompt((1,)), Sharing.TOKENS),
        (HashPrompt(1, (1,), 8), Sharing.PROMPT),
        (LengthPrompt(1), Sharing.NOTHING),
    ],
)
def test_a_kind_of_prompt_shares_as_much_as_it_knows(prompt: Prompt, sharing: Sharing) -> None:
    assert prompt.sharing is sharing
    assert (prompt.num_tokens, prompt.media) == (1, ())


def test_a_hash_that_covers_no_token_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="hash_tokens"):
        HashPrompt(8, (1,), hash_tokens=0)


@pytest.mark.parametrize(
    "make", [lambda item: LengthPrompt(4, (item,)), lambda item: HashPrompt(4, (1,), 4, (item,))]
)
def test_media_outside_a_prompt_without_tokens_is_refused(make: Callable[[MediaItem], Prompt]) -> None:
    with pytest.raises(InvalidRequest, match="position 100"):
        make(MediaItem(b"x", 100, 5))
