"""Chat templates in the manner of the families whose calls we read: each writes them as its models do."""

import json
from typing import Any

_HEAD = "{{ bos_token }}{% if tools %}<|turn|>tools: {{ tools | tojson }}{% endif %}"
_TURN = "<|turn|>{{ message.role }}: {{ message.content or '' }}"
_TAIL = "{% endfor %}{% if add_generation_prompt %}<|turn|>assistant:{% endif %}"


def _template(calls: str) -> str:
    return f"{_HEAD}{{% for message in messages %}}{_TURN}{{% if message.tool_calls %}}{calls}{{% endif %}}{_TAIL}"


HERMES = _template(
    "{% for call in message.tool_calls %}{{ '\\n' }}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}\n</tool_call>'
    "{% endfor %}"
)
LLAMA3 = _template(
    "{% for call in message.tool_calls %}{{ '; ' if not loop.first }}"
    '{"name": "{{ call.function.name }}", "parameters": {{ call.function.arguments | tojson }}}{% endfor %}'
    "{% if false %}<|python_tag|>{% endif %}"
)
MISTRAL_LIST = _template(
    "[TOOL_CALLS] [{% for call in message.tool_calls %}{{ ', ' if not loop.first }}"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}, '
    '"id": "{{ call.id }}"}{% endfor %}]'
)
MISTRAL_NAMED = _template(
    "{% for call in message.tool_calls %}[TOOL_CALLS]{{ call.function.name }}[ARGS]"
    "{{ call.function.arguments | tojson }}{% endfor %}"
)
MISTRAL_WITH_IDS = MISTRAL_NAMED.replace("[ARGS]", "[CALL_ID]{{ call.id }}[ARGS]")
THINKING = HERMES.replace(
    "assistant:{% endif %}",
    "assistant:{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n"
    "{% endif %}{% endif %}",
)
FAMILIES = {
    "hermes": HERMES,
    "llama3": LLAMA3,
    "mistral list": MISTRAL_LIST,
    "mistral named": MISTRAL_NAMED,
    "mistral with ids": MISTRAL_WITH_IDS,
}


def call_message(calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """A message of the assistant, as clients send it back."""
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": f"{number:09}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for number, (name, arguments) in enumerate(calls)
        ],
    }
