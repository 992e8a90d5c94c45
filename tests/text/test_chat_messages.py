"""Messages in OpenAI's form become what templates read; what is wrong is named."""

from typing import Any

import pytest

from tests.text.chat_families import call_message
from weft.contracts.errors import InvalidRequest
from weft.text.chat_messages import template_messages

USER = {"role": "user", "content": "tea?"}
CALL = call_message([("brew", {"cups": 2})])


def test_arguments_become_objects_and_empty_fields_go() -> None:
    answer = {"role": "tool", "tool_call_id": "000000000", "content": "done"}
    sent = {**CALL, "refusal": None, "annotations": [], "audio": None}
    _, call, result = template_messages([USER, sent, answer])
    assert call["tool_calls"][0]["function"] == {"name": "brew", "arguments": {"cups": 2}}
    assert (set(call), call["content"]) == ({"role", "content", "tool_calls"}, "")
    assert result == answer


def test_developers_speak_as_the_system_where_the_template_knows_none() -> None:
    message = {"role": "developer", "content": "Be brief."}
    assert template_messages([message], has_developers=False)[0]["role"] == "system"
    assert template_messages([message], has_developers=True)[0]["role"] == "developer"


def _with(change: dict[str, Any]) -> dict[str, Any]:
    return {**CALL, "tool_calls": [{**CALL["tool_calls"][0], **change}]}


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"role": "robot", "content": "x"}, r"messages\[1\].role is 'robot'; it must be one of system"),
        ({"role": "user", "content": "x", "tool_calls": [1]}, r"messages\[1\].tool_calls is not a field"),
        ({"role": "tool", "tool_call_id": "x", "content": "y"}, r"tool_call_id is 'x'; .* there: none"),
        ({"role": "tool", "content": "y"}, "tool_call_id is None"),
        ({"role": "assistant", "audio": {"id": "x"}}, r"messages\[1\].audio is not a field"),
        ({"role": "assistant", "content": "x", "tool_calls": 3}, "tool_calls is 3; it must be a list"),
        (_with({"type": "custom"}), r"tool_calls\[0\] is "),
        (_with({"id": ""}), r"tool_calls\[0\].id is ''"),
        (_with({"function": {"arguments": "{}"}}), "function.name is None"),
        (
            _with({"function": {"name": "brew", "arguments": "{"}}),
            "arguments is '{'; it must be the JSON text",
        ),
        (_with({"function": {"name": "brew", "arguments": "[1]"}}), "it must be the JSON text of an object"),
        ({"role": "assistant", "content": "x", "reasoning_content": 3}, "reasoning_content is 3"),
    ],
)
def test_what_is_wrong_is_named(message: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        template_messages([USER, message])
