"""Follows a JSON object that arrives in pieces: where its brackets are, and so where it ends."""

import re

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class BracketScanner:
    """Reads text from `depth` open brackets on. Brackets inside strings are text; whether the rest is JSON nobody
    looks at."""

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self._in_string = self._is_escaped = False

    def next_bracket(self, text: str, start: int) -> int | None:
        """The position after the next bracket, which `depth` counts then; None where the text ends before one. Then
        go on with the text that follows."""
        position = start
        while position < len(text):
            if self._is_escaped:
                self._is_escaped = False
                position += 1
                continue
            found = (_INSIDE if self._in_string else _OUTSIDE).search(text, position)
            if found is None:
                return None
            position = found.end()
            if self._counts(found[0]):
                return position
        return None

    def _counts(self, mark: str) -> bool:
        if mark == '"':
            self._in_string = not self._in_string
        elif mark == "\\":
            self._is_escaped = True
        else:
            self.depth += 1 if mark in "{[" else -1
            return True
        return False
