"""Reads calls out of an answer as its text comes."""

import json
import re
from collections.abc import Callable, Generator
from typing import NamedTuple

from weft.text.answer_parts import AnswerPart, CallArguments, CallStart, Content
from weft.text.marker_search import num_held
from weft.text.tool_formats.json_object import BracketScanner
from weft.text.tool_formats.tool_format import Gap, Opening, ToolFormat

_HEAD = re.compile(
    r'\{\s*"(?P<key>\w+)"\s*:\s*(?P<name>"(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*'
)
_IN_ARGUMENTS = 2
"""Open brackets where the arguments of a call begin."""


class _Call(NamedTuple):
    """`end`: of what was read. `arguments`: where that was the whole call; None where they follow."""

    name: object
    end: int
    arguments: str | None = None


class CallReader:
    """One answer. How its text is cut into pieces makes no difference to what is told, joined.

    `names`: of the tools; a call of another is text. So is what begins like a call and is none, unless its arguments
    have begun. Whitespace before, between and after calls is not told. `new_id`: makes the ids of calls.
    """

    def __init__(self, form: ToolFormat, names: frozenset[str], new_id: Callable[[], str]) -> None:
        self._form, self._names, self._new_id = form, names, new_id
        self.num_calls = 0
        self._rest = ""
        """Not dealt with yet."""
        self._is_over = self._follows_call = False
        self._parts: list[AnswerPart] = []
        self._reading = self._read()

    def feed(self, text: str) -> list[AnswerPart]:
        """What may be told after more text."""
        self._rest += text
        next(self._reading, None)
        parts, self._parts = self._parts, []
        return parts

    def end(self) -> list[AnswerPart]:
        """What was held back. Call it once, at the end. A call that is cut off stays cut off."""
        self._is_over = True
        return self.feed("")

    # Each of these reads a part of the answer, and pauses where it needs more text.

    def _read(self) -> Generator[None]:
        if not self._form.marker:
            yield from self._read_calls("")
        while (announced := (yield from self._read_text())) is not None:
            yield from self._read_calls(announced)

    def _read_text(self) -> Generator[None, None, str | None]:
        """Up to the next marker, which is returned with the whitespace before it; None where the answer ends without
        one."""
        marker = self._form.marker
        while not marker or (start := self._rest.find(marker)) < 0:
            if self._is_over:
                self._tell("" if self._follows_call and not self._rest.strip() else self._rest)
                return None
            self._tell_all_but(num_held(self._rest, marker))
            yield
        said, end = self._rest[:start].rstrip(), start + len(marker)
        self._tell(said)
        announced, self._rest = self._rest[len(said) : end], self._rest[end:]
        return announced

    def _read_calls(self, before: str) -> Generator[None]:
        """Calls in a row. `before`: what announced them, which is text should there be none."""
        is_first = True
        while True:
            gap, opening = yield from self._read_gap(before, is_first=is_first)
            if opening is None:
                return
            if not (yield from self._read_call(opening, before + gap)):
                return
            before, is_first = "", False

    def _read_gap(self, before: str, *, is_first: bool) -> Generator[None, None, tuple[str, Opening | None]]:
        """Up to an object, or None where the calls are over."""
        gap = ""
        while (verdict := self._form.gap(gap, is_first=is_first)) is Gap.OPEN:
            if not self._rest:
                if self._is_over:
                    self._tell(before + gap if is_first else "")
                    return gap, None
                yield
            elif self._rest[0] == "{":
                if opening := self._form.opening(gap, is_first=is_first):
                    return gap, opening
                break
            else:
                gap, self._rest = gap + self._rest[0], self._rest[1:]
        if verdict is not Gap.CLOSED:
            self._tell(before)
            self._rest = gap + self._rest
        return gap, None

    def _read_call(self, opening: Opening, before: str) -> Generator[None, None, bool]:
        """One call; False where it was none, or what follows cannot be another."""
        if opening.name is None:
            call = yield from self._read_head()
        else:
            call = _Call(opening.name, 0)
        if call is None or call.name not in self._names:
            self._tell(before)
            return False
        self._start(str(call.name), call.end)
        if call.arguments is not None:
            self._argue(call.arguments)
            return True
        yield from self._read_arguments()
        return opening.name is not None or (yield from self._read_object_end())

    def _read_head(self) -> Generator[None, None, _Call | None]:
        """Until the arguments begin or, where the object is not in the usual order, until it is complete."""
        scanner, position = BracketScanner(), 0
        while True:
            end = scanner.next_bracket(self._rest, position)
            if end is None:
                if self._is_over:
                    return None
                position = len(self._rest)
                yield
                continue
            position = end
            if scanner.depth <= 0:
                return self._whole_call(end)
            if scanner.depth == _IN_ARGUMENTS and self._rest[end - 1] == "{":
                head = _HEAD.fullmatch(self._rest, 0, end - 1)
                if head is not None and head["key"] == self._form.name_key:
                    return _Call(_loaded(head["name"]), end - 1)

    def _read_arguments(self) -> Generator[None]:
        scanner, position = BracketScanner(), 0
        while position == 0 or scanner.depth > 0:
            end = scanner.next_bracket(self._rest, position)
            if end is not None:
                position = end
                continue
            self._argue(self._rest)
            self._rest, position = "", 0
            if self._is_over:
                return
            yield
        self._argue(self._rest[:position])
        self._rest = self._rest[position:]

    def _read_object_end(self) -> Generator[None, None, bool]:
        """What a call says after its arguments tells nothing."""
        while not (rest := self._rest.lstrip()):
            if self._is_over:
                self._rest = ""
                return False
            yield
        if rest[0] not in "},":
            return False
        scanner, position = BracketScanner(depth=1), 0
        while scanner.depth > 0:
            end = scanner.next_bracket(self._rest, position)
            position = len(self._rest) if end is None else end
            if end is None:
                if self._is_over:
                    break
                yield
        self._rest = self._rest[position:]
        return True

    def _whole_call(self, end: int) -> _Call | None:
        call = _loaded(self._rest[:end])
        if not isinstance(call, dict):
            return None
        arguments = call.get("arguments", call.get("parameters"))
        if isinstance(arguments, str):
            arguments = _loaded(arguments)
        if not isinstance(arguments, dict):
            return None
        return _Call(call.get(self._form.name_key), end, json.dumps(arguments, ensure_ascii=False))

    # What is told.

    def _tell(self, text: str) -> None:
        if text:
            self._follows_call = False
            self._parts.append(Content(text))

    def _tell_all_but(self, size: int) -> None:
        """Whitespace waits too: around calls it is not told."""
        told = self._rest[: len(self._rest) - size].rstrip()
        self._tell(told)
        self._rest = self._rest[len(told) :]

    def _start(self, name: str, end: int) -> None:
        self._parts.append(CallStart(self.num_calls, self._new_id(), name))
        self._follows_call = True
        self.num_calls += 1
        self._rest = self._rest[end:]

    def _argue(self, text: str) -> None:
        if text:
            self._parts.append(CallArguments(self.num_calls - 1, text))


def _loaded(text: str) -> object:
    """A JSON value; None where the text is none."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value
