"""The messages of a chat, checked and made plain before a template sees them."""

from collections.abc import Mapping, Sequence

from weft.contracts.errors import InvalidRequest

Message = Mapping[str, object]
"""One message: `role`, `content` and whatever else a model's template reads (`name`, `tool_calls`…)."""

_MOST_NESTED = 64
"""Nesting of lists and objects; JSON schemas of tools stay far below."""


def plain_messages(messages: object) -> list[dict[str, object]]:
    """Copies of the messages, of plain JSON values, whose contents are strings.

    Parts of text are joined by line ends, as vLLM does for templates that want a string. A message of the
    assistant with `tool_calls` may have no content. Raises InvalidRequest, naming the message, for others.
    """
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        raise InvalidRequest(f"messages is a {type(messages).__name__}; it must be a list of messages")
    return [_message(f"messages[{index}]", message) for index, message in enumerate(messages)]


def plain(name: str, value: object, depth: int = 0) -> object:
    """A copy made of plain JSON values only, so that a template can reach no methods of ours.

    Raises InvalidRequest for anything else, naming where it is.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth == _MOST_NESTED:
        raise InvalidRequest(f"{name} is nested deeper than {_MOST_NESTED} levels; make it flatter")
    if isinstance(value, Mapping):
        return {_key(name, key): plain(f"{name}.{key}", inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(f"{name}[{index}]", inner, depth + 1) for index, inner in enumerate(value)]
    kind = type(value).__name__
    raise InvalidRequest(f"{name} is a {kind}; it must be what JSON has: text, number, list, object, null")


def plain_tools(tools: object) -> list[object]:
    """Copies of descriptions of tools. Raises InvalidRequest, naming the tool, for what is none."""
    copied = plain("tools", tools)
    if not isinstance(copied, list):
        raise InvalidRequest(f"tools is a {type(tools).__name__}; it must be a list of objects")
    for index, tool in enumerate(copied):
        if not isinstance(tool, dict):
            raise InvalidRequest(
                f"tools[{index}] is {str(tool)[:60]!r}; it must be an object (a JSON schema)"
            )
    return copied


def _key(name: str, key: object) -> str:
    if type(key) is str:
        return key
    raise InvalidRequest(f"{name} has the key {key!r}; keys must be text")


def _message(name: str, message: object) -> dict[str, object]:
    copied = plain(name, message)
    if not isinstance(copied, dict):
        raise InvalidRequest(f"{name} is {str(copied)[:60]!r}; it must be an object with role and content")
    role = copied.get("role")
    if not isinstance(role, str) or not role:
        raise InvalidRequest(f"{name}.role is {role!r}; name who speaks, such as 'user'")
    if copied.get("content") is not None or not copied.get("tool_calls"):
        copied["content"] = _content(f"{name}.content", copied.get("content"))
    return copied


def _content(name: str, content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_part(f"{name}[{index}]", part) for index, part in enumerate(content))
    raise InvalidRequest(f"{name} is {str(content)[:60]!r}; it must be a string or a list of parts of text")


def _part(name: str, part: object) -> str:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    if isinstance(text, str):
        return text
    raise InvalidRequest(f'{name} is {str(part)[:60]!r}; it must be {{"type": "text", "text": …}}')
