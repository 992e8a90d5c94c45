"""All tasks alike: the same from the same seed, regular text, and the form in which a model sees them."""

import re

import pytest

from tests.training.tasks.drawing import draws, teller_of, text_of
from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.documents import exercise_document, exercise_messages
from weft.training.tasks.exercise import Exercise, Turn
from weft.training.tasks.random_excerpts import COPIED_WORDS, random_excerpts
from weft.training.text.documents import ASSISTANT, BEGIN, END, USER, Part

EVERY_TASK = pytest.mark.parametrize("name", TASKS)


def test_there_are_eleven_tasks_and_each_knows_its_name() -> None:
    assert len(TASKS) == 11
    assert all(task.name == name and 0 < task.chance <= 0.5 for name, task in TASKS.items())


@EVERY_TASK
def test_the_same_seed_gives_the_same_exercises_and_another_one_does_not(name: str) -> None:
    assert list(draws(name, 20)) == list(draws(name, 20))
    assert list(draws(name, 20)) != list(draws(name, 20, seed=2))


@EVERY_TASK
@pytest.mark.parametrize("held_out", [False, True])
def test_text_is_regular(name: str, held_out: bool) -> None:
    """No slot unfilled, no mark left, single spaces, none at an end."""
    for _, exercise in draws(name, 60, held_out=held_out):
        text = text_of(exercise)
        assert not re.search(r"~|  | \n|\n |\{\w*\}", text)
        assert all(part and part == part.strip() for turn in exercise.turns for part in turn)


@EVERY_TASK
def test_every_size_can_be_drawn(name: str) -> None:
    low, high = TASKS[name].sizes
    for size in (low, high):
        assert TASKS[name].draw(teller_of(5), size).turns


def test_what_is_given_stands_before_the_first_question_alone() -> None:
    exercise = Exercise("Bimo lives in Karu.", (Turn("Where?", "In Karu."), Turn("Who?", "Bimo.")))
    assert exercise_messages(exercise) == (("Bimo lives in Karu.\nWhere?", "In Karu."), ("Who?", "Bimo."))
    assert exercise_messages(exercise, separator=" ")[0][0] == "Bimo lives in Karu. Where?"
    alone = Exercise("", exercise.turns)
    assert exercise_messages(alone) == (("Where?", "In Karu."), ("Who?", "Bimo."))


def test_answers_and_their_ends_are_learnt_and_nothing_else() -> None:
    exercise = Exercise("Bimo lives in Karu.", (Turn("Where?", "In Karu."),))
    assert exercise_document(exercise) == (
        Part(BEGIN, learnt=False),
        Part(f"{USER}Bimo lives in Karu.\nWhere?{END}{ASSISTANT}", learnt=False),
        Part(f"In Karu.{END}", learnt=True),
    )


def test_each_random_excerpt_is_a_piece_of_what_was_given() -> None:
    teller = teller_of(1)
    for num_words in (3, 10, 200):
        for _ in range(20):
            first, *rest = random_excerpts(teller, num_words)
            assert not first.learnt
            assert [part.learnt for part in rest] == [False, True] * (len(rest) // 2)
            for before, after in zip(rest[::2], rest[1::2], strict=True):
                assert (before.text + after.text).removeprefix("\n") in first.text


def test_copied_words_are_many_and_short() -> None:
    assert len(COPIED_WORDS) == len(set(COPIED_WORDS)) > 400
    assert all(word.isalpha() and len(word) <= 6 for word in COPIED_WORDS)
