"""Exercises as chats, in the form in which the model sees them."""

from weft.training.tasks.exercise import Exercise
from weft.training.text.chats import Chat
from weft.training.text.documents import Document, chat_document
from weft.training.text.exchanges import Exchange


def exercise_messages(exercise: Exercise, separator: str = "\n") -> tuple[Exchange, ...]:
    """The user's messages, each with its answer; the first begins with what is given, then the separator."""
    before = exercise.given + separator if exercise.given else ""
    (question, answer), *more = exercise.turns
    return (before + question, answer), *more


def exercise_document(exercise: Exercise, separator: str = "\n") -> Document:
    """The answers and their ends are learnt."""
    return chat_document(Chat("", exercise_messages(exercise, separator)))
