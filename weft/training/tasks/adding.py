"""Sums of two numbers."""

from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.tasks.repeats import several
from weft.training.tasks.words import split_draw
from weft.training.text.teller import Teller

ASKS = ("{0} + {1} = ?", "How much is {0} + {1}?", "What is {0} + {1}?", "~Find the sum {0} + {1}.")

LOOSE_ASKS = ("… {0} + {1}.", "… {0} + {1}?", "… {0} + {1} = ?", "… sum … {0} + {1} …?")
MOST_TURNS = 8


def draw_adding(teller: Teller, size: int) -> Exercise:
    """Numbers of up to `size` digits, one of them of just so many."""
    return several(teller, _turn, size, MOST_TURNS)


def _turn(teller: Teller, size: int) -> Turn:
    pair = split_draw(teller, lambda: _pair(teller, size)).split()
    teller.stream.shuffle(pair)
    one, other = pair
    return Turn(
        put(teller, ASKS, LOOSE_ASKS).format(one, other), f"{one} + {other} = {int(one) + int(other)}"
    )


def _pair(teller: Teller, size: int) -> str:
    """In order: a pair is held out whichever of the two comes first."""
    long = teller.stream.randrange(10 ** (size - 1) if size > 1 else 0, 10**size)
    return "{} {}".format(*sorted((long, teller.stream.randrange(10**size))))


# Of the sums of two digits, 9 is the most frequent: one in ten.
TASK = Task("add", draw_adding, sizes=(1, 3), chance=1 / 10)
