"""Mistral: [TOOL_CALLS] [{"name": …, "arguments": {…}}, …], and since its tokenizer's version 11
[TOOL_CALLS]name{…}, with [CALL_ID] and [ARGS] before the arguments where the template has them.

Mistral's own library (mistral-common) and its models' templates spell the forms out.
"""

import re

from weft.text.tool_formats.grammar_text import quoted
from weft.text.tool_formats.tool_format import Gap, Opening, SpelledFormat, Symbol, ToolFormat, repeated

_NAMED = re.compile(r"([\w.:-]+)(\[CALL_ID\]\w*)?(\[ARGS\])?")
_NAME = re.compile(r"[\w.:-]*(\[CALL_ID\]\w*)?")

COMMA = ", "


class MistralListFormat(SpelledFormat):
    """One list of calls, which may follow text."""

    name = "mistral"
    marker = "[TOOL_CALLS]"
    has_short_ids = True
    first_words = ("[",)
    next_words = (",",)
    last_words = ("]",)

    def calls_rule(self, first: str, symbol: Symbol, most_more: int) -> str:
        return f"{first} / ?\\[/ body{repeated(f'{quoted(COMMA)} body', most_more)} {quoted(']')}"

    def before_arguments(self, name: str, symbol: Symbol) -> str:
        return quoted(f'{{"name": {quoted(name)}, "arguments": ')

    def after_arguments(self) -> str:
        return "}"


class MistralNamedFormat(ToolFormat):
    """Each call behind a marker of its own. `with_ids`, `with_args`: the template writes these marks."""

    name = "mistral"
    marker = "[TOOL_CALLS]"
    has_short_ids = True

    def __init__(self, *, with_ids: bool, with_args: bool) -> None:
        self._with_ids, self._with_args = with_ids, with_args

    def gap(self, gap: str, *, is_first: bool) -> Gap:
        if not is_first:
            return Gap.CLOSED
        text = gap.strip()
        found = _NAME.match(text)
        rest = text[found.end() :] if found else text
        begins = any(mark.startswith(rest) for mark in ("[ARGS]", "[CALL_ID]"))
        return Gap.OPEN if begins else Gap.WRONG

    def opening(self, gap: str, *, is_first: bool) -> Opening | None:
        found = _NAMED.fullmatch(gap.strip())
        return Opening(found[1]) if found and is_first else None

    def calls_rule(self, first: str, symbol: Symbol, most_more: int) -> str:
        return f"{first} body{repeated(f'{symbol(self.marker)} body', most_more)}"

    def before_arguments(self, name: str, symbol: Symbol) -> str:
        call_id = [symbol("[CALL_ID]"), "/[a-zA-Z0-9]{9}/"] if self._with_ids else []
        return " ".join([quoted(name), *call_id, *([symbol("[ARGS]")] if self._with_args else [])])

    def after_arguments(self) -> str:
        return ""
