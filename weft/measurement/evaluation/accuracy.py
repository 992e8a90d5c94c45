"""How often a model's answers are right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from weft.measurement.evaluation.answering import Answer, Answerer
from weft.measurement.evaluation.intervals import Figure, share
from weft.measurement.evaluation.questions import Exam, Question, draw_exam
from weft.training.tasks.exercise import Task

LOOKUP = "lookup"
"""The task that is measured by length of prompt in tokens; others by their own sizes."""
TRIED_EXERCISES, MOST_TRIES, NEAR = 16, 8, 0.02
"""To find the size that makes prompts of a given length: exercises of a try, tries, and the relative error that
ends them."""


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """A task at one size. `wanted_tokens`: the length of prompts that `size` was chosen for; None where it was not.
    `prompt_tokens`: their mean length as asked; None where nothing was. `num_skipped`: questions that do not fit
    into the model's context. `accuracy`: the share of answers that are right to the letter, but for white space around
    them; None where nothing was asked. `chance`: see `Task`."""

    task: str
    size: int
    wanted_tokens: int | None
    prompt_tokens: float | None
    num_skipped: int
    accuracy: Figure | None
    chance: float


class Sitting(NamedTuple):
    """A task at one size, and the questions of it that fit. `most_tokens`: that each answer may have."""

    task: Task
    size: int
    wanted_tokens: int | None
    exam: Exam
    most_tokens: list[int]
    prompt_tokens: list[int]
    num_skipped: int

    @property
    def asked(self) -> list[tuple[Question, int]]:
        """As an answerer takes it."""
        questions = (question for question, _ in self.exam)
        return list(zip(questions, self.most_tokens, strict=True))

    def judge(self, answers: Sequence[Answer]) -> TaskFigures:
        """The figures that follow from the answers, one for each question."""
        rights = (right for _, right in self.exam)
        num_right = sum(
            answer.text.strip() == right.strip() for answer, right in zip(answers, rights, strict=True)
        )
        return TaskFigures(
            self.task.name,
            self.size,
            self.wanted_tokens,
            fmean(self.prompt_tokens) if self.prompt_tokens else None,
            self.num_skipped,
            share(num_right, len(self.exam)),
            self.task.chance,
        )


def plan_sittings(
    answerer: Answerer, tasks: Sequence[Task], lookup_tokens: Sequence[int], num_exercises: int, seed: int
) -> list[Sitting]:
    """Every task at each of its sizes: `lookup` at those that make prompts of about `lookup_tokens`, others in the
    middle of what training reaches and at its end."""
    return [
        _sit(answerer, task, size, wanted, draw_exam(task, size, num_exercises, seed))
        for task in tasks
        for size, wanted in _sizes(answerer, task, lookup_tokens, seed)
    ]


def _sizes(
    answerer: Answerer, task: Task, lookup_tokens: Sequence[int], seed: int
) -> Iterator[tuple[int, int | None]]:
    """Sizes, with the length of prompts that each is for."""
    if task.name == LOOKUP:
        yield from ((_size_for(answerer, task, wanted, seed), wanted) for wanted in lookup_tokens)
    else:
        smallest, largest = task.sizes
        yield from ((size, None) for size in dict.fromkeys(((smallest + largest) // 2, largest)))


def _size_for(answerer: Answerer, task: Task, wanted_tokens: int, seed: int) -> int:
    """The size whose prompts come nearest to so many tokens, by trying: a prompt grows about as its size does."""
    smallest = task.sizes[0]
    size = max(smallest, wanted_tokens // 2)
    errors: dict[int, float] = {}
    while size not in errors and len(errors) < MOST_TRIES:
        exam = draw_exam(task, size, TRIED_EXERCISES, seed, "sizes of")
        mean_tokens = fmean(answerer.prompt_tokens(question) for question, _ in exam)
        errors[size] = abs(mean_tokens / wanted_tokens - 1)
        if errors[size] > NEAR:
            size = max(smallest, round(size * wanted_tokens / mean_tokens))
    return min(errors, key=errors.__getitem__)


def _sit(answerer: Answerer, task: Task, size: int, wanted_tokens: int | None, exam: Exam) -> Sitting:
    lengths = [answerer.prompt_tokens(question) for question, _ in exam]
    # Twice the right answer and some: a right answer in other tokens fits, and a wrong one does not run on.
    most = [2 * answerer.text_tokens(right) + 8 for _, right in exam]
    fits = [length + limit <= answerer.max_model_len for length, limit in zip(lengths, most, strict=True)]
    return Sitting(
        task,
        size,
        wanted_tokens,
        [each for each, fit in zip(exam, fits, strict=True) if fit],
        [limit for limit, fit in zip(most, fits, strict=True) if fit],
        [length for length, fit in zip(lengths, fits, strict=True) if fit],
        len(fits) - sum(fits),
    )
