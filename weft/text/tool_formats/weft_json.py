"""The models that come with Weft: the answer is {"tool": …, "arguments": {…}}, as their exercises have it
(`weft.training.tasks.tool_calls`), several on lines of their own."""

from weft.text.tool_formats.grammar_text import quoted
from weft.text.tool_formats.tool_format import SpelledFormat, Symbol, repeated


class WeftFormat(SpelledFormat):
    """An answer is calls or text."""

    name = "weft"
    name_key = "tool"
    next_words = ("",)

    def calls_rule(self, first: str, symbol: Symbol, most_more: int) -> str:
        return "body" + repeated(f"{quoted(chr(10))} body", most_more)

    def before_arguments(self, name: str, symbol: Symbol) -> str:
        return quoted(f'{{"tool": {quoted(name)}, "arguments": ')

    def after_arguments(self) -> str:
        return "}"
