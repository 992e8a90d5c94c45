"""What a model's chat template and tokenizer say it can do beyond plain answers: call tools, think."""

from weft.text.chat_template import ChatTemplate
from weft.text.reasoning import END_THINK
from weft.text.tokenizer import Tokenizer
from weft.text.tool_formats.families import tool_format
from weft.text.tool_formats.grammar_text import quoted

SWITCHES = ("enable_thinking", "thinking")
"""Variables of templates that switch thinking on and off."""


class ChatAbilities:
    """`form`: how the model calls tools, None where that is unknown; `reads_tools`: whether its template tells it of
    tools. `thinks`: whether it may think before it answers; `switches`: the names of `SWITCHES` that its template
    reads. `tool_format_name`: one of `TOOL_FORMATS`."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer, tool_format_name: str = "auto") -> None:
        self._tokenizer = tokenizer
        self.form = tool_format(tool_format_name, template.source)
        self.reads_tools = "tools" in template.variables
        self.thinks = END_THINK in template.source
        self.switches = tuple(name for name in SWITCHES if name in template.variables)
        self.has_developers = "developer" in template.source

    def symbol(self, marker: str) -> str:
        """A marker as a grammar names it: by its id where it is a special token, which is no text, else as text."""
        ids = self._tokenizer.encode(marker, add_special=False)
        is_special = len(ids) == 1 and ids[0] in self._tokenizer.special_ids
        return f"<[{ids[0]}]>" if is_special else quoted(marker)

    def is_special(self, marker: str) -> bool:
        """Whether a marker shows in the text only where special tokens do."""
        return self.symbol(marker).startswith("<[")
