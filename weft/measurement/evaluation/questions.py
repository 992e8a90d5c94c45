"""Questions as they are put to a model: drawn from tasks, written as messages or as plain text."""

from typing import NamedTuple

from weft.text.messages import Message
from weft.training.tasks.documents import exercise_messages
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.text.chats import hold_chat
from weft.training.text.streams import named_stream
from weft.training.text.teller import Teller


class Question(NamedTuple):
    """`given`: what it is about, or ""; `earlier`: what was asked and rightly answered before."""

    given: str
    earlier: tuple[Turn, ...]
    asked: str


Exam = list[tuple[Question, str]]
"""Questions, each with its one right answer."""


def draw_exam(task: Task, size: int, num_exercises: int, seed: int, stream: str = "evaluation") -> Exam:
    """Of exercises with names, values and sentences that training never has.

    One question of each exercise, drawn by chance, as if it were the first. Of an exercise that is about what was said
    before, the last `size` questions, each after all turns before it with their right answers.
    """
    teller = Teller(named_stream(seed, f"{stream} {task.name}"), held_out=True)
    return [each for _ in range(num_exercises) for each in _asked(teller, task.draw(teller, size), size)]


def _asked(teller: Teller, exercise: Exercise, size: int) -> Exam:
    if not exercise.in_order:
        turn = teller.stream.choice(exercise.turns)
        return [(Question(exercise.given, (), turn.question), turn.answer)]
    return [
        (Question(exercise.given, exercise.turns[:place], turn.question), turn.answer)
        for place, turn in enumerate(exercise.turns)
        if place >= len(exercise.turns) - size
    ]


def draw_openings(count: int, seed: int) -> list[Question]:
    """First messages of chats, among them wishes for stories; nothing about them is right or wrong."""
    teller = Teller(named_stream(seed, "evaluation chats"), held_out=True)
    return [Question("", (), hold_chat(teller).exchanges[0][0]) for _ in range(count)]


def as_messages(question: Question) -> list[Message]:
    """For a model with a chat template: as exercises look in training."""
    *earlier, (asked, _) = exercise_messages(_exercise(question))
    messages: list[Message] = []
    for user, assistant in earlier:
        messages.append({"role": "user", "content": user})
        messages.append({"role": "assistant", "content": assistant})
    return [*messages, {"role": "user", "content": asked}]


def _exercise(question: Question) -> Exercise:
    return Exercise(question.given, (*question.earlier, Turn(question.asked, "")))


def as_plain_text(question: Question) -> str:
    """For a model without a chat template: the answer is what follows, up to the end of the line."""
    lines = [question.given] if question.given else []
    for turn in question.earlier:
        lines.append(f"Question: {turn.question}\nAnswer: {turn.answer}")
    return "\n".join([*lines, f"Question: {question.asked}\nAnswer:"])
