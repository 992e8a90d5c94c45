"""Exercises whose questions say all by themselves."""

from collections.abc import Callable

from weft.training.tasks.exercise import Exercise, Turn
from weft.training.text.teller import Teller

MOST_TURNS = 4


def several(
    teller: Teller, draw_turn: Callable[[Teller, int], Turn], size: int, most_turns: int = MOST_TURNS
) -> Exercise:
    """Turns that have nothing to do with each other."""
    count = teller.stream.randint(1, most_turns)
    return Exercise("", tuple(draw_turn(teller, size) for _ in range(count)))
