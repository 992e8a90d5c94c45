"""Batches follow from the seed and their number alone, and are as the stage says."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
import torch

from tests.training.small_recipe import small, tokenizer
from weft.contracts.errors import ConfigurationError
from weft.training.batches import draw_documents, evaluation_batches, training_batch
from weft.training.recipe import Stage
from weft.training.recipes.sources import chat, story
from weft.training.tasks.token_lessons import RepeatedTokens
from weft.training.text.documents import ASSISTANT, BEGIN, Document, Part, TokenDocument, plain_text
from weft.training.text.teller import Teller


def test_a_batch_does_not_depend_on_those_before() -> None:
    late = training_batch(small(), tokenizer(), 13, 1)
    for step in range(3):
        training_batch(small(), tokenizer(), step, 0)
    assert torch.equal(late.tokens_T, training_batch(small(), tokenizer(), 13, 1).tokens_T)


def test_no_two_batches_and_no_two_seeds_are_alike() -> None:
    recipes = (small(), replace(small(), seed=2), replace(small(), name="another"))
    batches = [
        training_batch(recipe, tokenizer(), step, part).tokens_T.tolist()
        for recipe in recipes
        for step in (10, 11)
        for part in (0, 1)
    ]
    assert len({tuple(batch) for batch in batches}) == len(batches)


@pytest.mark.parametrize("step", [0, 7, 8, 19])
def test_a_batch_is_full_and_no_document_is_longer_than_its_stage_allows(step: int) -> None:
    longest = 64 if step < 8 else 128
    batch = training_batch(small(), tokenizer(), step, 0)
    assert max(batch.lengths) <= longest
    assert sum(batch.lengths) - batch.lengths[-1] < 256 <= sum(batch.lengths) < 256 + longest


def test_sources_come_in_proportion() -> None:
    drawn = draw_documents(1, "a test", ((3, chat), (1, story)))
    texts = [plain_text(document) for document in islice(chats_and_stories(drawn), 600)]
    assert sum(ASSISTANT in text for text in texts) / len(texts) == pytest.approx(0.75, abs=0.06)


def chats_and_stories(drawn: Iterator[Document | TokenDocument]) -> Iterator[Document]:
    for document in drawn:
        assert not isinstance(document, TokenDocument)
        yield document


def test_evaluation_has_documents_of_its_own() -> None:
    fresh, held_out = (evaluation_batches(small(), tokenizer(), held_out=each) for each in (False, True))
    assert sum(len(batch.lengths) for batch in fresh) == sum(len(batch.lengths) for batch in held_out) == 3
    assert fresh[0].tokens_T.tolist() != held_out[0].tokens_T.tolist()


def test_documents_of_which_nothing_is_learnt_are_left_out() -> None:
    def question(teller: Teller) -> Document:
        return chat(teller) if teller.chance(0.1) else (Part(BEGIN + "What now?", learnt=False),)

    recipe = replace(small(), stages=(Stage(1.0, 64, ((1, question),)),))
    batch = training_batch(recipe, tokenizer(), 0, 0)
    assert len(batch.targets_N) >= len(batch.lengths)


def test_a_source_that_teaches_nothing_is_refused() -> None:
    stage = Stage(1.0, 64, ((1, lambda teller: (Part(BEGIN + teller.made_up(), learnt=False),)),))
    with pytest.raises(ConfigurationError, match="1000 documents in a row nothing is learnt"):
        training_batch(replace(small(), stages=(stage,)), tokenizer(), 0, 0)


def test_a_last_stage_without_text_is_refused_before_it_is_measured() -> None:
    stage = Stage(1.0, 64, ((1, RepeatedTokens(400)),))
    with pytest.raises(ConfigurationError, match="recipe 'small': the last stage has no text to learn"):
        evaluation_batches(replace(small(), stages=(stage,)), tokenizer(), held_out=False)
