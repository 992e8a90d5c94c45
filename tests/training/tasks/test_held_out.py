"""What training draws and what is measured have no names, values or held-out sentences in common."""

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise

import pytest

from tests.training.tasks.drawing import after_colon, draws, read_notes, read_statement, text_of
from tests.training.tasks.test_documents_of_facts import sentences
from tests.training.tasks.test_tools_and_chats import asked_for
from weft.training import tasks
from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.exercise import Exercise
from weft.training.text.lexicon import is_held_out
from weft.training.text.teller import UNSEEN

TRAINING_DRAWS = dict.fromkeys(TASKS, 2000) | {"lookup": 500, "combine": 500, "copy": 1000}


@cache
def told_in_training(name: str) -> str:
    return "\n".join(text_of(exercise) for _, exercise in draws(name, TRAINING_DRAWS[name]))


def facts_of(_size: int, exercise: Exercise) -> Iterator[str]:
    for said in sentences(exercise.given):
        if fact := read_statement(said):
            yield from (fact[0], fact[2])


def noted_in(_size: int, exercise: Exercise) -> Iterator[str]:
    yield from read_notes(exercise.given).values()


def listed_in(_size: int, exercise: Exercise) -> Iterator[str]:
    """Words by themselves; letters and numbers as what is chosen together."""
    for turn in exercise.turns:
        items = list(dict.fromkeys(after_colon(turn.question)))
        are_words = len(items[0]) > 1 and items[0].isalpha()
        yield from items if are_words else [", ".join(sorted(items))]


def counted_in(_size: int, exercise: Exercise) -> Iterator[str]:
    yield from exercise.given.split(", ")


def added_in(_size: int, exercise: Exercise) -> Iterator[str]:
    for turn in exercise.turns:
        one, other = sorted(map(int, turn.answer.split(" = ")[0].split(" + ")))
        yield f"{one} {other}"


def continued_in(_size: int, exercise: Exercise) -> Iterator[str]:
    for turn in exercise.turns:
        shown = after_colon(turn.question)
        if len(set(shown)) < len(shown):
            yield from listed_in(_size, Exercise("", (turn,)))
            continue
        numbers = sorted(int(item) for item in [*shown, *turn.answer.split(", ")])
        yield f"{numbers[0]} {numbers[1] - numbers[0]}"


def called_in(_size: int, exercise: Exercise) -> Iterator[str]:
    yield from (line.split(":")[0] for line in exercise.given.split("\n"))
    for turn in exercise.turns:
        yield from map(str, json.loads(turn.answer)["arguments"].values())


def said_in(size: int, exercise: Exercise) -> Iterator[str]:
    yield from (asked_for(question, answer)[1] for question, answer in exercise.turns[-size:])


VALUES: dict[str, Callable[[int, Exercise], Iterator[str]]] = {
    "lookup": facts_of,
    "combine": facts_of,
    "copy": listed_in,
    "reverse": listed_in,
    "sort": listed_in,
    "count": counted_in,
    "add": added_in,
    "pattern": continued_in,
    "json": noted_in,
    "tool": called_in,
    "chat": said_in,
}


def values(name: str, count: int, *, held_out: bool) -> set[str]:
    drawn = draws(name, count, held_out=held_out)
    return {value for size, exercise in drawn for value in VALUES[name](size, exercise)}


@pytest.mark.usefixtures("nothing_invented")
@pytest.mark.parametrize("name", TASKS)
def test_a_value_is_in_training_or_held_out_as_its_digest_says(name: str) -> None:
    known = values(name, TRAINING_DRAWS[name], held_out=False)
    unknown = values(name, 150, held_out=True)
    assert len(known) > 100
    assert len(unknown) > 50
    assert not [value for value in known if is_held_out(value)]
    assert all(is_held_out(value) for value in unknown)


@pytest.mark.parametrize("name", ["lookup", "combine", "json", "chat"])
def test_held_out_names_and_phrases_are_nowhere_in_training(name: str) -> None:
    """Phrases of two words and names; a made-up word in small letters may be a word of a filler by chance."""
    words = re.findall(r"\w+", told_in_training(name))
    told = {*words, *(f"{one} {next_one}" for one, next_one in pairwise(words))}
    searched = [value for value in values(name, 150, held_out=True) if " " in value or value.istitle()]
    assert len(searched) > 100
    assert not told.intersection(searched)


def unseen_templates(value: object) -> Iterator[str]:
    """In a module's constant, however deep."""
    if isinstance(value, str) and value.startswith(UNSEEN):
        yield value.removeprefix(UNSEEN)
    elif isinstance(value, tuple):
        for part in value:
            yield from unseen_templates(part)


def all_unseen_templates() -> dict[str, list[str]]:
    """By module."""
    found = {}
    for module in pkgutil.iter_modules(tasks.__path__, f"{tasks.__name__}."):
        constants = vars(importlib.import_module(module.name)).values()
        templates = [text for value in constants for text in unseen_templates(value) if text]
        if templates:
            found[module.name.rpartition(".")[2]] = templates
    return found


def longest_literal(template: str) -> str:
    return max(re.split(r"\{\w+\}", template), key=len)


def test_held_out_sentences_are_in_no_training_text_of_any_task() -> None:
    templates = all_unseen_templates()
    assert len(templates) >= 11
    told = "\n".join(told_in_training(name) for name in TASKS)
    for template in (text for texts in templates.values() for text in texts):
        assert longest_literal(template) not in told, template


@pytest.mark.parametrize("name", TASKS)
def test_held_out_questions_are_always_asked_in_the_held_out_way(name: str) -> None:
    literals = [longest_literal(text) for texts in all_unseen_templates().values() for text in texts]
    for size, exercise in draws(name, 100, held_out=True):
        for turn in exercise.turns[-size:] if exercise.in_order else exercise.turns:
            assert any(literal in turn.question for literal in literals), turn.question
