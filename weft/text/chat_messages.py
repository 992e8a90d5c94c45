"""Messages as clients of OpenAI's protocol send them, checked and brought into the form that chat templates read."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weft.contracts.errors import InvalidRequest

ROLES = ("system", "developer", "user", "assistant", "tool")
MOST_CALLS_OF_MESSAGE = 128
MOST_ID_CHARACTERS = 256

_FIELDS = {
    "system": ("content", "name"),
    "developer": ("content", "name"),
    "user": ("content", "name"),
    "assistant": ("content", "name", "tool_calls", "reasoning_content"),
    "tool": ("content", "name", "tool_call_id"),
}
"""What a message of each role may say. Fields without a value, which SDKs send back as they got them, are left out."""


def template_messages(
    messages: Sequence[Mapping[str, Any]], *, has_developers: bool = True
) -> list[dict[str, Any]]:
    """Copies for a template: arguments of calls as objects, as Hugging Face's templates expect them.

    `has_developers`: whether the template knows developers, who else speak as the system. Raises `InvalidRequest`,
    naming the message.
    """
    known_ids: set[str] = set()
    return [
        _message(f"messages[{index}]", message, known_ids, has_developers=has_developers)
        for index, message in enumerate(messages)
    ]


def _message(
    name: str, message: Mapping[str, Any], known_ids: set[str], *, has_developers: bool
) -> dict[str, Any]:
    role = message.get("role")
    if role not in ROLES:
        raise InvalidRequest(f"{name}.role is {_shown(role)}; it must be one of {', '.join(ROLES)}")
    said = {key: value for key, value in message.items() if key != "role" and not _is_empty(value)}
    for key in said:
        if key not in _FIELDS[role]:
            allowed = ", ".join(_FIELDS[role])
            raise InvalidRequest(
                f"{name}.{_shown(key)[1:-1]} is not a field of a message of role {role}; it has {allowed}"
            )
    if role == "tool":
        _check_answered(f"{name}.tool_call_id", said.get("tool_call_id"), known_ids)
    if "tool_calls" in said:
        said["tool_calls"] = list(_calls(f"{name}.tool_calls", said["tool_calls"], known_ids))
        said.setdefault("content", "")  # some templates look into it
    elif "content" not in said:
        said["content"] = message.get("content")
    if not isinstance(said.get("reasoning_content", ""), str):
        raise InvalidRequest(
            f"{name}.reasoning_content is {_shown(said['reasoning_content'])}; it must be text"
        )
    return {"role": "system" if role == "developer" and not has_developers else role, **said}


def _is_empty(value: object) -> bool:
    return value is None or value == []


def _check_answered(name: str, call_id: object, known_ids: set[str]) -> None:
    if not isinstance(call_id, str) or call_id not in known_ids:
        known = ", ".join(repr(each) for each in sorted(known_ids)[:4]) or "none"
        raise InvalidRequest(
            f"{name} is {_shown(call_id)}; it must be the id of a call in an earlier message of the assistant; "
            f"there: {known}"
        )


def _calls(name: str, calls: object, known_ids: set[str]) -> Iterator[dict[str, Any]]:
    if not isinstance(calls, list) or len(calls) > MOST_CALLS_OF_MESSAGE:
        raise InvalidRequest(
            f"{name} is {_shown(calls)}; it must be a list of at most {MOST_CALLS_OF_MESSAGE} calls"
        )
    for index, call in enumerate(calls):
        read = _call(f"{name}[{index}]", call)
        known_ids.add(read["id"])
        yield read


def _call(name: str, call: object) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    if (
        not isinstance(call, Mapping)
        or call.get("type", "function") != "function"
        or not isinstance(function, Mapping)
    ):
        raise InvalidRequest(
            f'{name} is {_shown(call)}; it must be {{"id", "type": "function", "function": {{…}}}}'
        )
    call_id, called = call.get("id"), function.get("name")
    if not isinstance(call_id, str) or not 0 < len(call_id) <= MOST_ID_CHARACTERS:
        raise InvalidRequest(
            f"{name}.id is {_shown(call_id)}; it must be a text of up to {MOST_ID_CHARACTERS}"
        )
    if not isinstance(called, str) or not called:
        raise InvalidRequest(f"{name}.function.name is {_shown(called)}; it must be the name of a tool")
    arguments = _arguments(f"{name}.function.arguments", function.get("arguments"))
    return {"id": call_id, "type": "function", "function": {"name": called, "arguments": arguments}}


def _arguments(name: str, arguments: object) -> dict[str, Any]:
    try:
        read = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise InvalidRequest(f"{name} is {_shown(arguments)}; it must be the JSON text of an object")
    return read


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
