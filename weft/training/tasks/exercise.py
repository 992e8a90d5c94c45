"""What a task draws: something that is given, and questions about it that have one right answer each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from weft.training.text.teller import Teller


class Turn(NamedTuple):
    """`answer`: the one right answer, to the letter."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Exercise:
    """Turns about the same thing.

    `given`: what the questions are about, such as documents; "" where each question says all by itself. It is the
    beginning of the first message, and each question can be asked right after it, whatever its place among the turns,
    unless the task is about what was said before (`in_order`).
    """

    given: str
    turns: tuple[Turn, ...]
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of exercises.

    `draw`: makes one of about `size` words of given text, or of a difficulty that grows with it where nothing is given,
    all from the teller's chance; it honours `teller.held_out`. `sizes`: from the smallest that makes sense to the
    largest that training reaches. `chance`: the share of right answers of a guesser who knows the form of the answers
    and the things that are named in the exercise, and nothing else.
    """

    name: str
    draw: Callable[[Teller, int], Exercise]
    sizes: tuple[int, int]
    chance: float
