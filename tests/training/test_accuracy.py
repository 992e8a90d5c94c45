"""The accuracy in the curve: what greedy decoding gets right, without decoding."""

from itertools import islice

import pytest
import torch
from torch import Tensor

from tests.training import small_recipe
from weft.contracts.errors import ConfigurationError
from weft.training import objective
from weft.training.accuracy import Accuracy
from weft.training.batches import draw_documents
from weft.training.packing import Batch
from weft.training.products import product_of
from weft.training.recipe import Trained
from weft.training.recipes.sources import Exercises
from weft.training.run import make_trainer
from weft.training.text.documents import END
from weft.training.tokenizer import encode_documents


@pytest.fixture
def trained() -> Trained:
    recipe, tokenizer = small_recipe.small(), small_recipe.tokenizer()
    ops = product_of(recipe).ops(1)
    model = make_trainer(recipe, tokenizer, ops, torch.float32).model()
    return Trained(model, ops, tokenizer, recipe.longest_tokens())


def perfect(_model: object, _ops: object, batch: Batch) -> Tensor:
    return torch.nn.functional.one_hot(batch.targets_N, 400).float()


def test_one_who_knows_all_is_right_and_a_model_that_learnt_nothing_is_not(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Accuracy("reverse", 4)(trained) == {"reverse@4": 0.0}
    monkeypatch.setattr(objective, "learnt_logits", perfect)
    assert Accuracy("reverse", 4)(trained) == {"reverse@4": 1.0}


def test_a_single_wrong_token_spoils_one_answer(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    def nearly(model: object, ops: object, batch: Batch) -> Tensor:
        logits_NV = perfect(model, ops, batch)
        logits_NV[0] = -logits_NV[0]
        return logits_NV

    monkeypatch.setattr(objective, "learnt_logits", nearly)
    exercises = Accuracy("reverse", 4, num_exercises=3)
    drawn = draw_documents(1, "accuracy reverse@4", ((1.0, Exercises("reverse", 4, 4)),), held_out=True)
    encoded = encode_documents(trained.tokenizer, islice(drawn, 3), trained.max_length_tokens)
    end = trained.tokenizer.token_to_id(END)
    num_answers = sum(
        token == end and is_learnt
        for document in encoded
        for token, is_learnt in zip(document.token_ids, document.learnt, strict=True)
    )
    assert exercises(trained)["reverse@4"] == pytest.approx(1 - 1 / num_answers)


def test_the_names_of_columns_tell_what_was_asked() -> None:
    assert Accuracy("add", 2).name == "add@2"
    assert Accuracy("add", 2, held_out=False).name == "add@2 known"


def test_exercises_that_are_too_long_to_be_answered_are_refused(trained: Trained) -> None:
    with pytest.raises(ConfigurationError, match=r"no answer of lookup at size 700 ends within 128 tokens"):
        Accuracy("lookup", 700, num_exercises=2)(trained)
