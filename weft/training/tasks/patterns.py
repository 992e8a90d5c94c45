"""Going on with a pattern: items that come again and again, or numbers at equal distances."""

from itertools import cycle, islice

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.tasks.repeats import several
from weft.training.text.teller import Teller

ASKS = (
    "Say the next {0} of this list: {1}",
    "Which {0} come next: {1}",
    "Go on with {0} more: {1}",
    "~How does this list go on, for {0} more: {1}",
)
LOOSE_ASKS = ("… {0} more …: {1}", "… next {0} …: {1}", "… go on … {0} …: {1}")
PROGRESSION_SHARE = 1 / 3
LARGEST_STEPS = {2: 2, 3: 5, 4: 12}


def draw_pattern(teller: Teller, size: int) -> Exercise:
    """Cycles of `size` items, or progressions whose steps grow with it."""
    return several(teller, _turn, size)


def _turn(teller: Teller, size: int) -> Turn:
    asked = teller.stream.randint(3, 6)
    draw = _progression if teller.chance(PROGRESSION_SHARE) else _cycle
    shown, following = draw(teller, size, asked)
    return Turn(put(teller, ASKS, LOOSE_ASKS).format(asked, words.listed(shown)), words.listed(following))


def _cycle(teller: Teller, size: int, asked: int) -> tuple[list[str], list[str]]:
    """Seen twice at least."""
    items = teller.stream.choice((words.words, words.numbers, words.letters))(teller, size)
    shown = 2 * size + teller.stream.randrange(size)
    told = list(islice(cycle(items), shown + asked))
    return told[:shown], told[shown:]


def _progression(teller: Teller, size: int, asked: int) -> tuple[list[str], list[str]]:
    """Up, or down to a number that is not below 0. Its start and its step are split together."""
    shown = teller.stream.randint(3, 6)
    start, step = map(int, words.split_draw(teller, lambda: _start_and_step(teller, size)).split())
    told = [str(start + step * place) for place in range(shown + asked)]
    if teller.chance(0.3):
        told.reverse()
    return told[:shown], told[shown:]


def _start_and_step(teller: Teller, size: int) -> str:
    return f"{teller.stream.randint(0, 50)} {teller.stream.randint(1, LARGEST_STEPS[size])}"


# Of two items that take turns, either may come next; and two patterns in three are such.
TASK = Task("pattern", draw_pattern, sizes=(2, 4), chance=1 / 3)
