"""The lessons of random tokens: what is learnt in them is there to be found."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.training.tasks.token_lessons import ExcerptedTokens, RepeatedTokens
from weft.training.text.documents import SPECIAL_TOKENS, TokenDocument
from weft.training.text.streams import named_stream
from weft.training.text.teller import Teller

VOCAB_SIZE = 100_000
"""So large that hardly any token comes twice by chance."""


def draw(source: RepeatedTokens | ExcerptedTokens, seed: int) -> TokenDocument:
    return source(Teller(named_stream(seed, "a test"), held_out=False))


def test_no_lesson_has_special_tokens_but_where_they_belong() -> None:
    tokens = draw(ExcerptedTokens(20, 10, 20), 1).token_ids
    assert tokens[0] == 0
    assert min(tokens[1:]) >= len(SPECIAL_TOKENS)
    assert max(tokens) < 20


def test_repeated_tokens_come_again_at_one_distance() -> None:
    document = draw(RepeatedTokens(VOCAB_SIZE, 15), 1)
    assert document.token_ids[1:16] == document.token_ids[17:]
    assert document.learnt == [False] * 18 + [True] * 14


@given(seed=st.integers(0, 10_000), sizes=st.sampled_from([(5, 9), (10, 20), (10, 60), (2, 2)]))
def test_each_learnt_token_follows_the_one_that_it_followed_before(seed: int, sizes: tuple[int, int]) -> None:
    token_ids, learnt, _ = draw(ExcerptedTokens(VOCAB_SIZE, *sizes), seed)
    num_given = learnt.index(True) - 2
    assert sizes[0] <= num_given <= sizes[1]
    pairs = list(pairwise(token_ids[1 : num_given + 1]))
    for place, is_learnt in enumerate(learnt):
        if is_learnt:
            assert (token_ids[place - 1], token_ids[place]) in pairs
    assert len(token_ids) >= 1 + 2 * num_given


def test_excerpts_begin_anywhere() -> None:
    document = draw(ExcerptedTokens(VOCAB_SIZE, 200, 200), 3)
    firsts = [
        document.token_ids.index(token)
        for place, token in enumerate(document.token_ids)
        if place > 200 and not document.learnt[place]
    ]
    assert len(set(firsts)) > 20
    assert firsts != sorted(firsts)


@pytest.mark.parametrize("source", [RepeatedTokens(500), ExcerptedTokens(500, 5, 9)])
def test_the_same_chance_gives_the_same_lesson(source: RepeatedTokens | ExcerptedTokens) -> None:
    assert draw(source, 7) == draw(source, 7)
    assert draw(source, 7) != draw(source, 8)
