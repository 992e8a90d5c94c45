"""From Anthropic's turns of blocks to a conversation."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from weft.llm.language_model import LanguageModel
from weft.server.conversation.ask import ConversationAsk, JsonSchema, NamedTool, ToolChoice
from weft.server.conversation.thinking_switches import switched
from weft.server.errors import ApiError
from weft.server.messages.schema import (
    Block,
    ConversationFields,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolResultBlock,
    ToolUseBlock,
)
from weft.text.chat_tools import FunctionTool

Message = dict[str, Any]


def conversation_ask(body: ConversationFields, llm: LanguageModel) -> ConversationAsk:
    """What a body asks of this model.

    Raises `ApiError` 400 for what no template can tell a model.
    """
    if body.messages[-1].role == "assistant":
        raise ApiError(
            400,
            "messages ends with a turn of the assistant; answers cannot be begun for the model here, so end with "
            "a turn of the user",
            param="messages",
            code="unsupported",
        )
    choice = body.tool_choice
    output = None if body.output_config is None else body.output_config.format
    return ConversationAsk(
        messages=list(_messages(body)),
        tools=tuple(map(_tool, body.tools or ())),
        tool_choice=_tool_choice(body),
        parallel_tool_calls=choice is None or not choice.disable_parallel_tool_use,
        response_format=None if output is None else JsonSchema(output.schema_, strict=True),
        template_variables=_thinking(body, llm),
    )


def _messages(body: ConversationFields) -> Iterator[Message]:
    """Turns of one role in a row are one turn, as the protocol has it."""
    if body.system:
        yield {"role": "system", "content": _texts(body.system)}
    for role, turns in groupby(body.messages, lambda turn: turn.role):
        blocks = [block for turn in turns for block in turn.content]
        yield from _user(blocks) if role == "user" else [_assistant(blocks)]


def _texts(blocks: Sequence[TextBlock]) -> list[Message]:
    return [{"type": "text", "text": block.text} for block in blocks]


def _user(blocks: Sequence[Block]) -> Iterator[Message]:
    """Results come before what the user says; text between two results goes after them."""
    texts: list[TextBlock] = []
    for block in blocks:
        if isinstance(block, ToolResultBlock):
            yield _result(block)
        elif isinstance(block, TextBlock):
            texts.append(block)
        else:
            raise _misplaced(block, "the assistant")
    if texts or not blocks:
        yield {"role": "user", "content": _texts(texts)}


def _result(block: ToolResultBlock) -> Message:
    failed = [{"type": "text", "text": "The tool failed."}] if block.is_error else []
    return {
        "role": "tool",
        "tool_call_id": block.tool_use_id,
        "content": [*failed, *_texts(block.content)] or "",
    }


def _assistant(blocks: Sequence[Block]) -> Message:
    texts = [block for block in blocks if isinstance(block, TextBlock)]
    calls = [_call(block) for block in blocks if isinstance(block, ToolUseBlock)]
    thoughts = [block.thinking for block in blocks if isinstance(block, ThinkingBlock)]
    for block in blocks:
        if isinstance(block, ToolResultBlock):
            raise _misplaced(block, "the user")
    message: Message = {"role": "assistant", "content": _texts(texts) if texts or not calls else None}
    return {
        **message,
        **({"tool_calls": calls} if calls else {}),
        **({"reasoning_content": "\n".join(thoughts)} if thoughts else {}),
    }


def _call(block: ToolUseBlock) -> Message:
    arguments = json.dumps(block.input, ensure_ascii=False)
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def _misplaced(block: Block, owner: str) -> ApiError:
    message = f"a block of type {block.type!r} stands in the wrong turn; it belongs into one of {owner}"
    return ApiError(400, message, param="messages")


def _tool(tool: Tool) -> FunctionTool:
    return FunctionTool(tool.name, tool.description or "", tool.input_schema, bool(tool.strict))


def _tool_choice(body: ConversationFields) -> ToolChoice:
    choice = body.tool_choice
    if choice is None or choice.type == "auto":
        return "auto"
    if choice.type == "tool":
        if choice.name is None:
            raise ApiError(
                400, "tool_choice.name is missing; name the tool to be called", param="tool_choice"
            )
        return NamedTool(choice.name)
    if choice.name is not None:
        raise ApiError(
            400, f"tool_choice.name is given with type {choice.type!r}; leave it out", param="tool_choice"
        )
    return "required" if choice.type == "any" else "none"


def _thinking(body: ConversationFields, llm: LanguageModel) -> dict[str, bool]:
    if body.thinking is None:
        return {}
    return switched(llm, "thinking", body.thinking.type, on=body.thinking.type == "adaptive")
