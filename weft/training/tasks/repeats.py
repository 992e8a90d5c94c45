"""Exercises whose questions say all by themselves."""

from collections.abc import Callable

from weft.training.tasks.exercise import Exercise, Turn
from weft.training.text.teller import Teller


def several(teller: Teller, draw_turn: Callable[[Teller, int], Turn], size: int) -> Exercise:
    """One to four turns that have nothing to do with each other."""
    count = teller.stream.choice((1, 2, 3, 4))
    return Exercise("", tuple(draw_turn(teller, size) for _ in range(count)))
