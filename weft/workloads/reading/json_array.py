"""Items of a JSON array in a file, without holding the whole of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from weft.workloads.errors import TraceError

_CHUNK_CHARACTERS = 2**20
MOST_ITEM_CHARACTERS = 2**26
_BLANK = " \t\r\n"


def array_items(path: Path, file: TextIO) -> Iterator[object]:
    """The items of the array that the file consists of, one after the other."""
    return _ArrayReader(path, file).items()


class _ArrayReader:
    def __init__(self, path: Path, file: TextIO) -> None:
        self._path = path
        self._file = file
        self._text = ""
        self._decoder = json.JSONDecoder()
        self._number = 0

    def items(self) -> Iterator[object]:
        self._expect("[", "it does not begin with [; write a JSON array of objects")
        if self._next_character() == "]":
            return
        while True:
            self._number += 1
            yield self._item()
            separator = self._next_character()
            self._text = self._text[1:]
            if separator == "]":
                return
            if separator != ",":
                raise self._problem("it is not followed by , or ]; mend the file")

    def _expect(self, character: str, problem: str) -> None:
        if self._next_character() != character:
            raise self._problem(problem)
        self._text = self._text[1:]

    def _next_character(self) -> str:
        self._text = self._text.lstrip(_BLANK)
        while not self._text and self._more():
            self._text = self._text.lstrip(_BLANK)
        return self._text[:1]

    def _item(self) -> object:
        """Decoded once enough of it is read; what is read doubles, so the work stays proportional."""
        self._next_character()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text)
                if end < len(self._text) or not self._more():
                    self._text = self._text[end:]
                    return value
            except (ValueError, RecursionError) as error:
                if len(self._text) > MOST_ITEM_CHARACTERS or not self._more():
                    raise self._problem(f"it is no JSON ({error}); mend the file") from None

    def _more(self) -> bool:
        piece = self._file.read(max(_CHUNK_CHARACTERS, len(self._text)))
        self._text += piece
        return bool(piece)

    def _problem(self, problem: str) -> TraceError:
        return TraceError(self._path, problem, f"item {self._number}" if self._number else "")
