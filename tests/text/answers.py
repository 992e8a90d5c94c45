"""Reading answers in tests: parts joined, texts cut anywhere."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st

from weft.text.answer_parts import AnswerPart, CallArguments, CallStart, Content
from weft.text.answer_reader import AnswerReader
from weft.text.reasoning import ReasoningReader
from weft.text.tool_formats.call_reader import CallReader
from weft.text.tool_formats.tool_format import ToolFormat

NAMES = frozenset({"weather", "sun"})


def joined(parts: Iterable[AnswerPart]) -> list[AnswerPart]:
    """Neighbours of one kind as one."""
    found: list[AnswerPart] = []
    for part in parts:
        last = found[-1] if found else None
        if last is None or isinstance(part, CallStart) or isinstance(last, CallStart):
            found.append(part)
        elif isinstance(part, CallArguments) and isinstance(last, CallArguments) and part.index == last.index:
            found[-1] = replace(last, text=last.text + part.text)
        elif isinstance(part, Content) and isinstance(last, Content):
            found[-1] = Content(last.text + part.text)
        elif type(part) is type(last) and not isinstance(part, CallArguments):
            found[-1] = replace(last, text=last.text + part.text)
        else:
            found.append(part)
    return found


def read(
    form: ToolFormat | None, chunks: Iterable[str], *, is_thinking: bool | None = None
) -> list[AnswerPart]:
    """What is told of an answer; all ids are "id". `is_thinking`: None for a model that does not think."""
    calls = None if form is None else CallReader(form, NAMES, lambda: "id")
    reasoning = None if is_thinking is None else ReasoningReader(is_thinking=is_thinking)
    reader = AnswerReader(reasoning, calls)
    parts = [part for chunk in chunks for part in reader.feed(chunk)]
    return joined([*parts, *reader.end()])


def said(parts: Iterable[AnswerPart]) -> str:
    """The content alone."""
    return "".join(part.text for part in parts if isinstance(part, Content))


@st.composite
def cut(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[str, list[str]]:
    """A text, and the same in pieces."""
    text = draw(texts)
    ends = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return text, [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
