"""The parts of an answer grouped into items: runs of text, runs of reasoning, calls. Protocols with typed events tell
of each that it begins, what it gains, and that it is complete."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from weft.text.answer_parts import AnswerPart, CallStart, Content, Reasoning
from weft.text.answer_reader import AnswerReader

NewsKind = Literal["opened", "grown", "closed"]


@dataclass
class AnswerItem:
    """Item number `index` of an answer. `call`: where it is a call of a tool. `is_complete`: False where the output
    ended inside it. `pieces`: of `text`."""

    index: int
    kind: Literal["text", "reasoning", "call"]
    call: CallStart | None = None
    is_complete: bool = True
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What was said, thought, or given as arguments so far."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class ItemNews:
    """What happened to an item; `text`: what it gained, where it has grown."""

    kind: NewsKind
    item: AnswerItem
    text: str = ""


class AnswerItems:
    """One output, read part by part. `items`: those that began, in order."""

    def __init__(self, reader: AnswerReader) -> None:
        self._reader = reader
        self.items: list[AnswerItem] = []
        self._open: AnswerItem | None = None

    def feed(self, text: str) -> list[ItemNews]:
        """What may be told after more text."""
        return list(self._read(self._reader.feed(text)))

    def end(self, *, is_cut: bool) -> list[ItemNews]:
        """What was held back, and the end of the last item. `is_cut`: the output had reached its limit."""
        news = list(self._read(self._reader.end()))
        if is_cut and self._open is not None:
            self._open.is_complete = False
        return [*news, *self._close()]

    def _read(self, parts: Iterable[AnswerPart]) -> Iterator[ItemNews]:
        for part in parts:
            if isinstance(part, CallStart):
                yield from self._begin(AnswerItem(len(self.items), "call", call=part))
                continue
            kind: Literal["text", "reasoning"] = "reasoning" if isinstance(part, Reasoning) else "text"
            if isinstance(part, Content | Reasoning) and (self._open is None or self._open.kind != kind):
                yield from self._begin(AnswerItem(len(self.items), kind))
            assert self._open is not None
            self._open.pieces.append(part.text)
            yield ItemNews("grown", self._open, part.text)

    def _begin(self, item: AnswerItem) -> Iterator[ItemNews]:
        yield from self._close()
        self.items.append(item)
        self._open = item
        yield ItemNews("opened", replace(item, pieces=[]))  # it grows before this is told

    def _close(self) -> Sequence[ItemNews]:
        closed, self._open = self._open, None
        return [] if closed is None else [ItemNews("closed", closed)]
