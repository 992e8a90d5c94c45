"""From the text of one output to the parts of an answer: thoughts, what is said, calls of tools."""

from weft.text.answer_parts import AnswerPart, Content
from weft.text.reasoning import ReasoningReader
from weft.text.tool_formats.call_reader import CallReader


class AnswerReader:
    """One output. `reasoning`: where the model may think first; `calls`: where it may call tools. How the text is
    cut into pieces makes no difference to what is told, joined."""

    def __init__(self, reasoning: ReasoningReader | None = None, calls: CallReader | None = None) -> None:
        self._reasoning, self._calls = reasoning, calls

    @property
    def has_calls(self) -> bool:
        """Whether a call has begun."""
        return self._calls is not None and self._calls.num_calls > 0

    def feed(self, text: str) -> list[AnswerPart]:
        """What may be told after more text."""
        if self._reasoning is None:
            return self._answered(text)
        thoughts, text = self._reasoning.feed(text)
        return [*thoughts, *self._answered(text)]

    def end(self) -> list[AnswerPart]:
        """What was held back. Call it once, at the end."""
        thoughts, text = ([], "") if self._reasoning is None else self._reasoning.end()
        parts = [*thoughts, *self._answered(text)]
        return parts if self._calls is None else [*parts, *self._calls.end()]

    def _answered(self, text: str) -> list[AnswerPart]:
        if self._calls is not None:
            return self._calls.feed(text)
        return [Content(text)] if text else []
