"""What error messages show of names and reasons that a file gave us: one line, never longer than helps."""

from collections.abc import Sequence

MOST_CHARACTERS = 120
MOST_NAMES = 5


def quoted(text: str) -> str:
    """A name from a file, escaped, so that a damaged one can neither break the line nor flood it."""
    return _cut(repr(text))


def clipped(text: str) -> str:
    """A reason from a library on one line, cut where it gets long."""
    return _cut(" ".join(text.split()))


def first_few(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(quoted(name) for name in names[:MOST_NAMES])
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _cut(line: str) -> str:
    return line if len(line) <= MOST_CHARACTERS else f"{line[:MOST_CHARACTERS]}…"
