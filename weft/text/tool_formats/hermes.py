"""Hermes, Qwen 2.5 and 3: <tool_call>{"name": …, "arguments": {…}}</tool_call>, one after another.

The form of Nous Research's Hermes Function Calling; the models' chat templates spell it out.
"""

from weft.text.tool_formats.grammar_text import quoted
from weft.text.tool_formats.tool_format import SpelledFormat, Symbol, repeated


class HermesFormat(SpelledFormat):
    """Calls may follow text."""

    name = "hermes"
    marker = "<tool_call>"
    last_words = ("</tool_call>",)

    def calls_rule(self, first: str, symbol: Symbol, most_more: int) -> str:
        end = symbol("</tool_call>")
        more = repeated(f"{quoted(chr(10))} {symbol(self.marker)} body {end}", most_more)
        return f"{first} body {end}{more}"

    def before_arguments(self, name: str, symbol: Symbol) -> str:
        return quoted(f'\n{{"name": {quoted(name)}, "arguments": ')

    def after_arguments(self) -> str:
        return "}\n"
