"""Saying a list backwards."""

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.tasks.repeats import several
from weft.training.text.teller import Teller

ASKS = (
    "Reverse this list: {0}",
    "Say this list backwards: {0}",
    "Write the list from its end to its beginning: {0}",
    "~Reverse all of this: {0}",
)

LOOSE_ASKS = ("Reverse …: {0}", "… reverse …: {0}", "… backwards …: {0}")


def draw_reversing(teller: Teller, size: int) -> Exercise:
    """Lists of `size` different words."""
    return several(teller, _turn, size)


def _turn(teller: Teller, size: int) -> Turn:
    items = words.words(teller, size)
    return Turn(put(teller, ASKS, LOOSE_ASKS).format(words.listed(items)), words.listed(items[::-1]))


# Two words can be put into two orders.
TASK = Task("reverse", draw_reversing, sizes=(2, 10), chance=1 / 2)
