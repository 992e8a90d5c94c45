"""Numbers by size, words by the alphabet."""

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.tasks.repeats import several
from weft.training.text.teller import Teller

ASKS = (
    "Sort this list: {0}",
    "Sort: {0}",
    "Write the list in the right order: {0}",
    "~Sort all of this: {0}",
)

LOOSE_ASKS = ("Sort …: {0}", "… sort …: {0}", "… right order …: {0}")


def draw_sorting(teller: Teller, size: int) -> Exercise:
    """Lists of `size` different numbers of two digits, or words."""
    return several(teller, _turn, size)


def _turn(teller: Teller, size: int) -> Turn:
    items = teller.stream.choice((words.words, words.numbers))(teller, size)
    return Turn(put(teller, ASKS, LOOSE_ASKS).format(words.listed(items)), words.listed(sorted(items)))


# Three items can be put into six orders.
TASK = Task("sort", draw_sorting, sizes=(3, 8), chance=1 / 6)
