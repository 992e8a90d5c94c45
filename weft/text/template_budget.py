"""What one rendering of a chat template may use up: a template is a program that came with a model.

The known ways to make a small template hang or fill the memory are closed, before the work is done where that
can be foreseen. This is no wall against a malicious author with time; for one, use a process with limits.
"""

import re
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from contextvars import ContextVar

from jinja2.exceptions import SecurityError

MOST_CHARACTERS = 4 * 2**20
"""The most characters that a rendering may write, counting what its macros and blocks collect, and that any
text on its way may have: about a million tokens."""

MOST_STEPS = 300_000
"""The most turns of loops and calls of macros in one rendering: a second or two of work."""

# A width of millions written out, or one that an argument gives.
_WIDTH = re.compile(r"\d{7,}|%[^%a-zA-Z]*\*")


class TemplateTooLarge(SecurityError):
    """A rendering wanted more than it may use; with shorter messages it may succeed."""


class Budget:
    """What one rendering has used."""

    def __init__(self) -> None:
        self._steps = self._characters = 0

    def step(self) -> None:
        """Count a turn of a loop or a call of a macro."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TemplateTooLarge(f"it takes more than {MOST_STEPS} steps")

    def write(self, characters: int) -> None:
        """Count output, also what a macro or block collects: so it cannot double in a loop."""
        self._characters += characters
        check_size(self._characters)


_current: ContextVar[Budget] = ContextVar("weft_template_budget")


@contextmanager
def one_rendering() -> Iterator[None]:
    """Gives what happens inside a budget of its own, also beside others in other threads."""
    token = _current.set(Budget())
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Budget:
    """The budget of the rendering that goes on."""
    return _current.get()


def check_size(characters: int) -> None:
    """Raises TemplateTooLarge for a text or list of this size."""
    if characters > MOST_CHARACTERS:
        raise TemplateTooLarge(f"it makes more than {MOST_CHARACTERS} characters")


def check_value(value: object) -> None:
    """Raises TemplateTooLarge where a value, written out, would be too large.

    Lists that hold one list twice are small and written out without end, so the inner values are counted.
    """
    size, waiting = 0, [value]
    while waiting:
        inner = waiting.pop()
        size += 1 + (len(inner) if isinstance(inner, str) else 0)
        check_size(size)
        if isinstance(inner, list | tuple):
            waiting += inner
        elif isinstance(inner, dict):
            waiting += [*inner, *inner.values()]


def check_operation(operator: str, left: object, right: object) -> None:
    """Refuses an operation whose result would be too large, before it is computed."""
    if operator == "**":
        check_size(_digits(left) * abs(right) if isinstance(right, int) else 0)
    elif operator == "%" and isinstance(left, str):
        _check_layout(left, right)
    elif operator == "*":
        check_size(_product(left, right))
    elif operator == "+":
        check_size(size_of(left) + size_of(right))


def check_call(name: str, text: str, arguments: Sequence[object]) -> None:
    """Refuses a filter or a method of a text that could make a very large one."""
    times = 1 + text.count("\n") + text.count("\t")  # where `indent` and `expandtabs` put a width
    for argument in arguments:
        check_size(abs(argument) * times if isinstance(argument, int) else 0)
    if name in ("format", "format_map"):
        _check_layout(text, list(arguments))
    elif name == "replace" and len(arguments) >= 2:
        check_size(len(text) + text.count(str(arguments[0])) * size_of(arguments[1]))
    elif name == "join" and arguments and isinstance(arguments[0], list | tuple):
        check_value(arguments[0])
        check_size(len(text) * len(arguments[0]))


def size_of(value: object) -> int:
    """Characters of a text, entries of a collection, else 0."""
    return len(value) if isinstance(value, Sized) else 0


def _check_layout(layout: str, values: object) -> None:
    if _WIDTH.search(layout):
        raise TemplateTooLarge("it formats text to a width of millions")
    check_value([layout, values])


def _digits(value: object) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _product(left: object, right: object) -> int:
    if isinstance(left, int) and isinstance(right, int):
        return _digits(left) + _digits(right)
    times = next((abs(side) for side in (left, right) if isinstance(side, int)), 0)
    return times * max(size_of(left), size_of(right))
