"""Keeps apart what a model thinks and what it answers: <think>…</think>, as DeepSeek-R1 and Qwen 3 write it."""

from collections.abc import Generator

from weft.text.answer_parts import Reasoning
from weft.text.marker_search import num_held

THINK, END_THINK = "<think>", "</think>"


class ReasoningReader:
    """One output. `is_thinking`: it begins inside the thoughts. Whitespace around thoughts is not told."""

    def __init__(self, *, is_thinking: bool) -> None:
        self._rest, self._is_over = "", False
        self._thoughts: list[Reasoning] = []
        self._reading = self._read(is_thinking=is_thinking)

    def feed(self, text: str) -> tuple[list[Reasoning], str]:
        """New thoughts, and new text of the answer after them."""
        self._rest += text
        is_answer = next(self._reading, True)
        thoughts, self._thoughts = self._thoughts, []
        answer = self._rest if is_answer else ""
        self._rest = self._rest[len(answer) :]
        return thoughts, answer

    def end(self) -> tuple[list[Reasoning], str]:
        """What was held back. Call it once, at the end."""
        self._is_over = True
        return self.feed("")

    # Each of these reads a part of the output, and pauses where it needs more text.

    def _read(self, *, is_thinking: bool) -> Generator[None]:
        if not is_thinking and not (yield from self._read_begin()):
            return
        yield from self._skip_space()
        while (end := self._rest.find(END_THINK)) < 0:
            if self._is_over:
                return self._think(len(self._rest))
            known = self._rest[: len(self._rest) - num_held(self._rest, END_THINK)]
            self._think(len(known.rstrip()))
            yield
        self._think(len(self._rest[:end].rstrip()))
        self._rest = self._rest.lstrip()[len(END_THINK) :]
        yield from self._skip_space()

    def _read_begin(self) -> Generator[None, None, bool]:
        while THINK.startswith(begin := self._rest.lstrip()) and begin != THINK:
            if self._is_over:
                return False
            yield
        if not begin.startswith(THINK):
            return False
        self._rest = begin[len(THINK) :]
        return True

    def _skip_space(self) -> Generator[None]:
        while not (rest := self._rest.lstrip()) and not self._is_over:
            self._rest = ""
            yield
        self._rest = rest

    def _think(self, size: int) -> None:
        if size:
            self._thoughts.append(Reasoning(self._rest[:size]))
            self._rest = self._rest[size:]
