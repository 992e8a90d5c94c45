"""The parts of an answer as chats tell them: in a message, or as deltas of a stream."""

from collections.abc import Iterable

from weft.server.protocol.dialect import Json
from weft.text.answer_parts import AnswerPart, CallArguments, CallStart, Content, Reasoning


def delta(part: AnswerPart) -> Json:
    """One part as news."""
    if isinstance(part, Content):
        return {"content": part.text}
    if isinstance(part, Reasoning):
        return {"reasoning_content": part.text}
    if isinstance(part, CallArguments):
        return {"tool_calls": [{"index": part.index, "function": {"arguments": part.text}}]}
    return {"tool_calls": [{"index": part.index, **_call(part, "")}]}


def message(parts: Iterable[AnswerPart]) -> Json:
    """All parts as one message. The content is null where calls say everything; there is reasoning where there was
    any, and calls likewise."""
    said, thought = list[str](), list[str]()
    starts, arguments = list[CallStart](), dict[int, str]()
    for part in parts:
        if isinstance(part, Content):
            said.append(part.text)
        elif isinstance(part, Reasoning):
            thought.append(part.text)
        elif isinstance(part, CallStart):
            starts.append(part)
        else:
            arguments[part.index] = arguments.get(part.index, "") + part.text
    calls = [_call(start, arguments.get(start.index, "")) for start in starts]
    content = "".join(said)
    return {
        "role": "assistant",
        "content": None if calls and not content else content,
        "refusal": None,
        **({"reasoning_content": "".join(thought)} if thought else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def _call(start: CallStart, arguments: str) -> Json:
    return {
        "id": start.call_id,
        "type": "function",
        "function": {"name": start.name, "arguments": arguments},
    }
