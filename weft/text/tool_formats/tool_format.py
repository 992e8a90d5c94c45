"""What a family of models says around its calls."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import ClassVar, NamedTuple

Symbol = Callable[[str], str]
"""From a marker's text to how a grammar names it: as text, or as the special token that it is."""


class Gap(Enum):
    """What the text between a marker and an object, or after an object, can still become."""

    OPEN = "open"
    CLOSED = "closed"
    """Complete: the calls are over, and the answer goes on as text."""
    WRONG = "wrong"


class Opening(NamedTuple):
    """An object begins. `name`: of the tool, where the object holds only its arguments; None where it holds both."""

    name: str | None = None


class ToolFormat(ABC):
    """One form of calls: [marker] gap object gap object… gap.

    `name`: what --tool-format calls it. `marker`: text that announces calls anywhere in an answer; empty where only
    an answer that begins with an object is calls. `name_key`, `arguments_key`: of the object that is a call.
    `has_short_ids`: the template takes only ids of nine letters and digits.
    """

    name: ClassVar[str]
    marker: ClassVar[str] = ""
    name_key: ClassVar[str] = "name"
    arguments_key: ClassVar[str] = "arguments"
    has_short_ids: ClassVar[bool] = False

    # How to read calls.

    @abstractmethod
    def gap(self, gap: str, *, is_first: bool) -> Gap:
        """What this text, before the first object or after one, can be."""

    @abstractmethod
    def opening(self, gap: str, *, is_first: bool) -> Opening | None:
        """What a brace after this gap opens; None where no object may follow."""

    # How to enforce them, in the dialect of Lark that llguidance reads. The rule `body` is one call.

    @abstractmethod
    def calls_rule(self, first: str, symbol: Symbol, most_more: int) -> str:
        """One call and up to `most_more` others; `first` is the rule that stands for the first marker."""

    @abstractmethod
    def before_arguments(self, name: str, symbol: Symbol) -> str:
        """What `body` begins with for the tool of this name, up to its arguments."""

    @abstractmethod
    def after_arguments(self) -> str:
        """What `body` ends with, as text."""


class SpelledFormat(ToolFormat):
    """A form whose gaps are fixed words, whitespace apart.

    `first_words`: before the first object; `next_words`: between two; `last_words`: after the last.
    """

    first_words: ClassVar[tuple[str, ...]] = ("",)
    next_words: ClassVar[tuple[str, ...]] = ()
    last_words: ClassVar[tuple[str, ...]] = ()

    def gap(self, gap: str, *, is_first: bool) -> Gap:
        word = "".join(gap.split())
        if not is_first and word in self.last_words:
            return Gap.CLOSED
        words = self.first_words if is_first else self.next_words + self.last_words
        return Gap.OPEN if any(each.startswith(word) for each in words) else Gap.WRONG

    def opening(self, gap: str, *, is_first: bool) -> Opening | None:
        words = self.first_words if is_first else self.next_words
        return Opening() if "".join(gap.split()) in words else None


def repeated(rule: str, most: int) -> str:
    """A rule up to so many times, which may be none."""
    return f" ({rule}){{0,{most}}}" if most else ""
