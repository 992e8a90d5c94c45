"""What a plot is: sentences in order, each in several ways, with slots that words fill."""

from typing import NamedTuple

BREAK = ("\n",)
"""A new paragraph."""

Beat = tuple[str, ...]
"""The ways to say one thing; one of them is told. A way of "" leaves it out. `teller.UNSEEN` marks held-out ones."""


class Plot(NamedTuple):
    """`subjects`: what a story of this plot is about, after "a story about a fox who …". `columns` and `rows`: slots
    that belong together (a fear, its reason, what helps); one row is drawn. `beats`: what happens. `questions`:
    with their answers, which the text of the story decides.
    """

    name: str
    subjects: Beat
    beats: tuple[Beat, ...]
    questions: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ((),)
