"""Llama 3.1 to 3.3: the answer is {"name": …, "parameters": {…}}, several separated by semicolons.

Meta's model card documents the object. The token <|python_tag|>, which stands before it at times, is special and
mostly not part of the text.
"""

from weft.text.tool_formats.grammar_text import quoted
from weft.text.tool_formats.tool_format import SpelledFormat, Symbol, repeated


class Llama3Format(SpelledFormat):
    """An answer is calls or text."""

    name = "llama3"
    arguments_key = "parameters"
    first_words = ("", "<|python_tag|>")
    next_words = ("", ";")

    def calls_rule(self, first: str, symbol: Symbol, most_more: int) -> str:
        return "body" + repeated(f"{quoted('; ')} body", most_more)

    def before_arguments(self, name: str, symbol: Symbol) -> str:
        return quoted(f'{{"name": {quoted(name)}, "parameters": ')

    def after_arguments(self) -> str:
        return "}"
