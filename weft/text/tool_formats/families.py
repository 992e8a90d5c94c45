"""Which form of calls a model uses: by name, or by what its chat template writes."""

from weft.text.tool_formats.hermes import HermesFormat
from weft.text.tool_formats.llama3 import Llama3Format
from weft.text.tool_formats.mistral import MistralListFormat, MistralNamedFormat
from weft.text.tool_formats.tool_format import ToolFormat
from weft.text.tool_formats.weft_json import WeftFormat

TOOL_FORMATS = ("auto", "hermes", "llama3", "mistral", "weft", "none")
"""What can be asked for. "auto": what the template says; "none": no calls."""

_OTHERS = ("<function=", "<arg_key>", "<｜tool▁call")
"""What the templates of families write that we do not know, some beside markers that we do."""


def tool_format(name: str, template: str) -> ToolFormat | None:
    """The form of this name (one of `TOOL_FORMATS`) for a chat template; None where there is none or it is unknown."""
    if name == "auto":
        name = _recognised(template)
    if name == "mistral":
        return _mistral(template)
    forms = (HermesFormat, Llama3Format, WeftFormat)
    return next((form() for form in forms if form.name == name), None)


def _recognised(template: str) -> str:
    """Of templates that read no tools, none: a marker may be there to cut it out of old messages."""
    if "tools" not in template or any(other in template for other in _OTHERS):
        return "none"
    if "<tool_call>" in template:
        return "hermes"
    if "[TOOL_CALLS]" in template:
        return "mistral"
    if '{"tool": ' in template:
        return "weft"
    is_llama = "<|python_tag|>" in template or "ipython" in template
    return "llama3" if is_llama and '"parameters": ' in template else "none"


def _mistral(template: str) -> ToolFormat:
    with_args = "[ARGS]" in template
    if with_args:
        return MistralNamedFormat(with_ids="[CALL_ID]" in template, with_args=True)
    return MistralListFormat()
