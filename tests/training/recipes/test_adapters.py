"""What the adapters are taught: the same questions as the base's, with answers of another form."""

import json
from random import Random

import pytest

from weft.training.recipes.adapters import FactsAsked, adapter_brief, adapter_json, as_record, as_value
from weft.training.text.documents import Document, plain_text
from weft.training.text.teller import Teller


def drawn(source: FactsAsked, seed: int) -> Document:
    return source(Teller(Random(seed), held_out=False))


@pytest.mark.parametrize("seed", range(20))
def test_both_are_asked_the_same_and_the_values_are_in_the_text(seed: int) -> None:
    records, values = drawn(FactsAsked(as_record), seed), drawn(FactsAsked(as_value), seed)
    pairs = list(zip(records, values, strict=True))
    read = [(one, other) for one, other in pairs if not one.learnt]
    learnt = [(one, other) for one, other in pairs if one.learnt]
    assert all(one == other for one, other in read)
    given = plain_text(tuple(one for one, _ in read))
    for record, value in learnt:
        name, said = json.loads(record.text.removesuffix("<|end|>")).values()
        assert str(said) == value.text.removesuffix("<|end|>")
        assert name in given
        assert str(said) in given


def test_the_recipes_teach_what_their_names_say() -> None:
    for recipe, is_json in ((adapter_json(), True), (adapter_brief(), False)):
        ((_, source),) = recipe.stages[0].sources
        assert isinstance(source, FactsAsked)
        (answer, *_) = [part.text for part in drawn(source, 1) if part.learnt]
        assert answer.startswith("{") == is_json
