"""Saying a list again, exactly."""

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.tasks.repeats import several
from weft.training.text.teller import Teller

ASKS = (
    "Say this again: {0}",
    "Write the same list: {0}",
    "Repeat exactly: {0}",
    "~Repeat this list: {0}",
)
LOOSE_ASKS = ("… again …: {0}", "… same …: {0}", "… repeat …: {0}", "Repeat …: {0}", "… exactly …: {0}")
MOST_LETTERS = 20
"""In a list, of the 26 that there are: so many can still be chosen in many ways."""


def draw_copying(teller: Teller, size: int) -> Exercise:
    """`size` words or numbers, or letters as far as there are any."""
    return several(teller, _turn, size)


def _turn(teller: Teller, size: int) -> Turn:
    kinds = (words.words, words.words, words.numbers, words.letters)
    kind = teller.stream.choice(kinds if size <= MOST_LETTERS else kinds[:-1])
    text = words.listed(kind(teller, size))
    return Turn(put(teller, ASKS, LOOSE_ASKS).format(text), text)


# Three items can be put into six orders.
TASK = Task("copy", draw_copying, sizes=(3, 40), chance=1 / 6)
