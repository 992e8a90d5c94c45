"""From the body of a chat to what is asked of a conversation."""

from weft.llm.language_model import LanguageModel
from weft.server.chat.fields import JsonObjectFormat, JsonSchemaFormat, NamedChoice, Tool
from weft.server.chat.schema import ChatBody
from weft.server.conversation.ask import (
    ConversationAsk,
    JsonObject,
    JsonSchema,
    NamedTool,
    ResponseFormat,
    ToolChoice,
)
from weft.server.conversation.thinking_switches import switched
from weft.server.errors import ApiError
from weft.text.chat_tools import FunctionTool


def conversation_ask(body: ChatBody, llm: LanguageModel) -> ConversationAsk:
    """Raises `ApiError` 400 for what contradicts itself, or what this model has no switch for."""
    tools = tuple(map(_tool, body.tools or ()))
    return ConversationAsk(
        messages=body.messages,
        tools=tools,
        tool_choice=_choice(body),
        parallel_tool_calls=body.parallel_tool_calls is not False,
        response_format=_format(body),
        template_variables={**_effort(body, llm), **(body.chat_template_kwargs or {})},
    )


def _tool(tool: Tool) -> FunctionTool:
    function = tool.function
    return FunctionTool(
        function.name, function.description or "", function.parameters or {}, bool(function.strict)
    )


def _choice(body: ChatBody) -> ToolChoice:
    choice = body.tool_choice
    return NamedTool(choice.function.name) if isinstance(choice, NamedChoice) else choice or "auto"


def _format(body: ChatBody) -> ResponseFormat | None:
    asked, own = body.response_format, body.constraint()
    said: ResponseFormat | None = None
    if isinstance(asked, JsonObjectFormat):
        said = JsonObject()
    elif isinstance(asked, JsonSchemaFormat):
        schema, strict = asked.json_schema.schema_, bool(asked.json_schema.strict)
        said = JsonObject() if schema is None else JsonSchema(schema, strict)
    if said is not None and own is not None:
        message = (
            "response_format and structured_outputs are given; an output can follow one of them, so leave one"
        )
        raise ApiError(400, message, param="structured_outputs")
    if own is not None and body.tools:
        message = "structured_outputs is given with tools; give response_format, or leave the tools out"
        raise ApiError(400, message, param="structured_outputs")
    return said or own


def _effort(body: ChatBody, llm: LanguageModel) -> dict[str, bool]:
    """No effort is what a model without thoughts makes; one that thinks needs a switch."""
    if body.reasoning_effort is None:
        return {}
    return switched(llm, "reasoning_effort", body.reasoning_effort, on=False)
