"""Lookup, combine and json: what the given text says, read by rules of their own."""

import json
import re

import pytest

from tests.training.tasks.drawing import (
    draws,
    pattern,
    read_notes,
    read_question,
    read_statement,
    teller_of,
)
from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.combine import LINKS

pytestmark = pytest.mark.usefixtures("nothing_invented")
BOTH_SIDES = pytest.mark.parametrize("held_out", [False, True])


def sentences(text: str) -> list[str]:
    return re.findall(r"[^.!?\n]+[.!?]", text.replace(". ", ".").replace("! ", "!").replace("? ", "?"))


@BOTH_SIDES
def test_lookup_answers_are_the_one_sentence_that_says_it(held_out: bool) -> None:
    for _, exercise in draws("lookup", 100, held_out=held_out):
        told = sentences(exercise.given)
        facts = {(fact[0], fact[1].key): said for said in told if (fact := read_statement(said))}
        assert len({turn.question for turn in exercise.turns}) == len(exercise.turns) <= 8
        for question, answer in exercise.turns:
            whom, relation = read_question(question)
            assert facts[whom, relation.key] == answer
            assert told.count(answer) == 1


@BOTH_SIDES
@pytest.mark.parametrize("name", ["lookup", "combine"])
def test_documents_have_about_the_size_that_is_asked_for(name: str, held_out: bool) -> None:
    low, high = TASKS[name].sizes
    sizes = []
    for size, exercise in draws(name, 150, held_out=held_out):
        sizes.append(size)
        assert abs(len(exercise.given.split()) - size) <= size / 4
    assert min(sizes) < 1.5 * low
    assert max(sizes) > high / 1.5


def test_nobody_has_two_values_of_one_relation() -> None:
    for _, exercise in draws("lookup", 100):
        told = [fact for said in sentences(exercise.given) if (fact := read_statement(said))]
        assert len({(name, relation.key) for name, relation, _ in told}) == len(told)


def test_large_documents_have_sentences_that_say_nothing_of_the_kind() -> None:
    for size, exercise in draws("lookup", 100):
        told = sentences(exercise.given)
        share_of_facts = sum(read_statement(said) is not None for said in told) / len(told)
        assert (0.4 < share_of_facts < 0.9) if size > 120 else (share_of_facts == 1)


def linked(document: str) -> dict[str, str]:
    """Who is what of whom: by phrase."""
    links = {}
    for said in sentences(document):
        for link in LINKS:
            for template in link.statements:
                shape = pattern(template.replace("{other}", "{value}"))
                if found := shape.fullmatch(said):
                    for phrase in link.phrases:
                        links[phrase.removeprefix("~").format(name=found["name"])] = found["value"]
    return links


@BOTH_SIDES
def test_combined_answers_follow_both_steps(held_out: bool) -> None:
    for _, exercise in draws("combine", 100, held_out=held_out):
        links, facts = linked(exercise.given), {}
        for said in sentences(exercise.given):
            if fact := read_statement(said):
                facts[fact[0], fact[1].key] = said
        for question, answer in exercise.turns:
            whom, relation = read_question(question)
            other = links[whom]
            first, second = sentences(answer)
            assert second == facts[other, relation.key]
            assert first in exercise.given
            assert linked(first)[whom] == other


def test_each_step_is_in_a_document_of_its_own() -> None:
    for _, exercise in draws("combine", 50):
        one, other = exercise.given.split("\n")
        for turn in exercise.turns:
            first, second = sentences(turn.answer)
            assert (first in one and second in other) or (first in other and second in one)


@BOTH_SIDES
def test_json_has_the_keys_in_order_and_the_values_of_the_text(held_out: bool) -> None:
    for size, exercise in draws("json", 150, held_out=held_out):
        told = read_notes(exercise.given)
        for question, answer in exercise.turns:
            record = json.loads(answer)
            assert "\n" not in answer
            assert list(record) == asked_keys(question, told)
            assert len(record) == size
            assert {key: str(value) for key, value in record.items()} == {key: told[key] for key in record}
            assert all(isinstance(value, int) == (key == "number") for key, value in record.items())


def asked_keys(question: str, known: dict[str, str]) -> list[str]:
    in_order = re.findall(r"[a-z]+", question.replace("the keys", "").replace("these keys", ""))
    return [word for word in in_order if word in known]


@pytest.mark.parametrize("name", ["lookup", "combine"])
def test_the_chance_of_a_guesser_is_as_stated(name: str) -> None:
    """Who knows the relation that is asked for names one of its values in the document."""
    teller, chances = teller_of(3), []
    for _ in range(150):
        exercise = TASKS[name].draw(teller, 60)
        told = [fact for said in sentences(exercise.given) if (fact := read_statement(said))]
        for question, _answer in exercise.turns:
            _, relation = read_question(question)
            chances.append(1 / len({value for _, other, value in told if other is relation}))
    assert sum(chances) / len(chances) == pytest.approx(TASKS[name].chance, rel=0.2)
