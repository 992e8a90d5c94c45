"""The language of whole answers, in the dialect of Lark that llguidance reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from weft.text.chat_tools import FunctionTool
from weft.text.reasoning import END_THINK, THINK
from weft.text.tool_formats.argument_schema import argument_schema
from weft.text.tool_formats.grammar_text import quoted
from weft.text.tool_formats.tool_format import Symbol, ToolFormat

MOST_CALLS = 32
"""In one answer: a weak model would call for ever."""

Thinking = Literal["never", "perhaps", "now"]
"""Whether an output may, or does, begin with thoughts."""

_ANY = "/(?s:.*)/"


class AnswerGrammar:
    """Answers that may begin with thoughts. `symbol`: how the tokenizer has markers."""

    def __init__(self, symbol: Symbol, thinking: Thinking) -> None:
        self._symbol, self._thinking = symbol, thinking

    def calls(self, form: ToolFormat, tools: Sequence[FunctionTool], *, parallel: bool) -> str:
        """Calls of these tools, at least one, only one unless `parallel`."""
        first = self._symbol(form.marker) if form.marker else ""
        return self._joined("calls", self._calls_rules(form, tools, first, parallel=parallel))

    def calls_or_json(
        self, form: ToolFormat, tools: Sequence[FunctionTool], schema: Mapping[str, Any], *, parallel: bool
    ) -> str:
        """Calls, or JSON; the form must announce calls by a marker."""
        rules = self._calls_rules(form, tools, self._symbol(form.marker), parallel=parallel)
        return self._joined("calls | said", [*rules, f"said: %json {json.dumps(schema)}"])

    def calls_or_text(self, form: ToolFormat, tools: Sequence[FunctionTool], *, parallel: bool) -> str:
        """Text; once a call begins, it is enforced, and only calls may follow."""
        if not form.marker:
            rules = [
                self._text(r"/\s*[^{\s](?s:.*)/"),
                *self._calls_rules(form, tools, "", parallel=parallel),
            ]
            return self._joined("TEXT? | calls", rules)
        marker = self._symbol(form.marker)
        if marker.startswith("<"):
            rules = self._calls_rules(form, tools, marker, parallel=parallel)
            return self._joined("TEXT? calls?", [self._text(), *rules])
        rules = self._calls_rules(form, tools, "opening", parallel=parallel)
        opening = f"opening[lazy]: TEXT {marker}"
        return self._joined("TEXT | calls", [self._text(), opening, *rules])

    def json(self, schema: Mapping[str, Any]) -> str:
        """JSON that fits a schema."""
        return self._joined("said", [f"said: %json {json.dumps(schema)}"])

    def _text(self, text: str = _ANY) -> str:
        """Text that does not begin with thoughts, which have a rule of their own."""
        return f"TEXT: {text}" if self._thinking == "never" else f"TEXT: {text} & ~/(?s:{THINK}.*)/"

    def _calls_rules(
        self, form: ToolFormat, tools: Sequence[FunctionTool], first: str, *, parallel: bool
    ) -> list[str]:
        calls = form.calls_rule(first, self._symbol, MOST_CALLS - 1 if parallel else 0)
        bodies = " | ".join(f"body_{number}" for number in range(len(tools)))
        rules = [f"calls: {calls}", f"body: {bodies}"]
        for number, tool in enumerate(tools):
            before = form.before_arguments(tool.name, self._symbol)
            after = form.after_arguments()
            rules.append(f"body_{number}: {before} arguments_{number} {quoted(after) if after else ''}")
            rules.append(f"arguments_{number}: %json {json.dumps(argument_schema(tool))}")
        return rules

    def _joined(self, answer: str, rules: list[str]) -> str:
        """A whole grammar, with thoughts before the answer."""
        if self._thinking == "never":
            return "\n".join([f"start: {answer}", *rules])
        end = self._symbol(END_THINK)
        if end.startswith("<"):
            thoughts = [f"thoughts: THOUGHTS? {end}", f"THOUGHTS: {_ANY}"]
        else:
            thoughts = [f"thoughts[lazy]: THOUGHTS {end}", f"THOUGHTS: {_ANY}"]
        before = "thoughts GAP?" if self._thinking == "now" else f"({self._symbol(THINK)} thoughts GAP?)?"
        return "\n".join(
            [f"start: {before} answer", f"answer: {answer}", *thoughts, r"GAP: /[ \n]{1,2}/", *rules]
        )
