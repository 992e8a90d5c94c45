"""From the items of /v1/responses to a conversation, and from an answer back to messages of one."""

from collections.abc import Iterable, Sequence
from typing import Any

from weft.llm.language_model import LanguageModel
from weft.server.conversation.ask import (
    ConversationAsk,
    JsonObject,
    JsonSchema,
    NamedTool,
    ToolChoice,
)
from weft.server.conversation.thinking_switches import switched
from weft.server.protocol.answer_items import AnswerItem
from weft.server.responses.schema import (
    AnyItem,
    CallItem,
    CallOutputItem,
    JsonObjectFormat,
    JsonSchemaFormat,
    MessageItem,
    NamedChoice,
    Part,
    ReasoningItem,
    ResponsesBody,
    Tool,
)
from weft.text.chat_tools import FunctionTool

Message = dict[str, Any]


def conversation_ask(body: ResponsesBody, earlier: Sequence[Message], llm: LanguageModel) -> ConversationAsk:
    """What a body asks for. `earlier`: messages before its input."""
    instructions = [{"role": "system", "content": body.instructions}] if body.instructions else []
    effort = None if body.reasoning is None else body.reasoning.effort
    variables = {} if effort is None else switched(llm, "reasoning", effort, on=False)
    return ConversationAsk(
        messages=[*instructions, *earlier, *input_messages(body.input)],
        tools=tuple(map(_tool, body.tools or ())),
        tool_choice=_tool_choice(body),
        parallel_tool_calls=body.parallel_tool_calls is not False,
        response_format=_response_format(body),
        template_variables=variables,
    )


def input_messages(items: Iterable[AnyItem]) -> list[Message]:
    """Items as messages: what the model thought, said and called in one turn is one message."""
    messages = list[Message]()
    for item in items:
        if isinstance(item, CallOutputItem):
            messages.append({"role": "tool", "tool_call_id": item.call_id, "content": _texts(item.output)})
        elif isinstance(item, MessageItem) and item.role != "assistant":
            messages.append({"role": item.role, "content": _texts(item.content)})
        else:
            _add_to_turn(messages, item)
    return messages


def answer_messages(items: Iterable[AnswerItem]) -> list[Message]:
    """What the model answered, as messages of the conversation that goes on after it. Calls that the limit of the
    output cut short are left out: nobody can have run them."""
    messages = list[Message]()
    for item in items:
        if item.kind != "call":
            part = {"content": item.text} if item.kind == "text" else {"reasoning_content": item.text}
            _merge(messages, part)
        elif item.is_complete:
            assert item.call is not None
            _merge(messages, {"tool_calls": [_call(item.call.call_id, item.call.name, item.text)]})
    return messages


def _add_to_turn(messages: list[Message], item: MessageItem | CallItem | ReasoningItem) -> None:
    if isinstance(item, CallItem):
        _merge(messages, {"tool_calls": [_call(item.call_id, item.name, item.arguments)]})
    elif isinstance(item, MessageItem):
        _merge(messages, {"content": "\n".join(part.text for part in item.content)})
    elif item.content:
        _merge(messages, {"reasoning_content": "\n".join(part.text for part in item.content)})


def _merge(messages: list[Message], more: Message) -> None:
    """Add to the turn of the assistant that is last; begin one where there is none, or where what the message says
    has been followed by calls already."""
    if not messages or messages[-1]["role"] != "assistant" or _comes_late(messages[-1], more):
        messages.append({"role": "assistant", "content": ""})
    turn = messages[-1]
    for name, value in more.items():
        old = turn.get(name)
        if not old:
            turn[name] = value
        elif name == "tool_calls":
            turn[name] = [*old, *value]
        else:
            turn[name] = f"{old}\n{value}"


def _comes_late(turn: Message, more: Message) -> bool:
    return "tool_calls" in turn and "tool_calls" not in more


def _texts(parts: Sequence[Part]) -> list[Message]:
    return [{"type": "text", "text": part.text} for part in parts]


def _call(call_id: str, name: str, arguments: str) -> Message:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _tool(tool: Tool) -> FunctionTool:
    return FunctionTool(tool.name, tool.description or "", tool.parameters or {}, bool(tool.strict))


def _tool_choice(body: ResponsesBody) -> ToolChoice:
    choice = body.tool_choice
    return NamedTool(choice.name) if isinstance(choice, NamedChoice) else choice or "auto"


def _response_format(body: ResponsesBody) -> JsonObject | JsonSchema | None:
    format = None if body.text is None else body.text.format
    if isinstance(format, JsonSchemaFormat):
        return JsonSchema(format.schema_, bool(format.strict))
    return JsonObject() if isinstance(format, JsonObjectFormat) else None
