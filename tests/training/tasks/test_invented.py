"""Invented relations: read from the document or not at all, and never where things are measured."""

from itertools import islice

import pytest

from tests.training.tasks.drawing import draws, read_statement, teller_of
from tests.training.tasks.test_documents_of_facts import sentences
from weft.training.tasks.invented import invented_relation
from weft.training.tasks.relations import ask, state


def test_statement_and_question_share_the_key_and_the_name() -> None:
    teller = teller_of(1)
    for _ in range(500):
        relation = invented_relation(teller)
        fact = state(teller, relation, "Bimo")
        question = ask(teller, relation, "Bimo")
        assert fact.sentence.startswith("Bimo ")
        assert fact.sentence.endswith(".")
        assert fact.value in fact.sentence
        assert relation.key in fact.sentence.rstrip(".").split()
        assert relation.key in question.rstrip("?.").split()
        assert "Bimo" in question


def test_hardly_two_are_alike() -> None:
    teller = teller_of(2)
    assert len({invented_relation(teller).statements for _ in range(500)}) > 490


@pytest.mark.parametrize("task", ["lookup", "combine"])
def test_only_training_has_them_and_about_every_other_fact_is_one(task: str) -> None:
    shares = {}
    for held_out in (False, True):
        drawn = islice(draws(task, 200, held_out=held_out), 200)
        # Larger documents have sentences of stories between.
        told = [said for size, exercise in drawn if size <= 120 for said in sentences(exercise.given)]
        shares[held_out] = sum(read_statement(said) is not None for said in told) / len(told)
    assert shares[True] > shares[False] + 0.15


def test_answers_stand_in_the_document_and_name_who_was_asked_for() -> None:
    for _, exercise in draws("lookup", 150):
        told = sentences(exercise.given)
        for question, answer in exercise.turns:
            assert told.count(answer) == 1
            assert answer.split()[0] in question
            about = [said for said in told if said.split()[0] == answer.split()[0]]
            shared = set(question.rstrip("?.").split()) & set(answer.rstrip(".").split())
            if read_statement(answer) is None and len(about) > 1:
                assert len(shared) >= 2
