"""What a client can want of a conversation, whatever the protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from weft.contracts.constraints import Constraint
from weft.text.chat_tools import FunctionTool


@dataclass(frozen=True, slots=True)
class NamedTool:
    """The answer must be a call of the tool of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class JsonObject:
    """The answer must be a JSON object, any."""


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The answer must be JSON that fits this schema. `strict`: refuse a schema that cannot be enforced in full, rather
    than enforce what can be."""

    schema: Mapping[str, Any]
    strict: bool = False


ToolChoice = Literal["none", "auto", "required"] | NamedTool
ResponseFormat = JsonObject | JsonSchema | Constraint


@dataclass(frozen=True, slots=True)
class ConversationAsk:
    """What a client wants of a conversation.

    `messages`: in the form of OpenAI's chats (role, content, tool_calls with arguments as JSON text, tool_call_id).
    `tool_choice` says nothing where there are no `tools`. `response_format`: of what is said, where that is not free;
    a `Constraint` where the client brings a language of its own. `template_variables`: the model's own switches, such
    as enable_thinking.
    """

    messages: Sequence[Mapping[str, Any]]
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    response_format: ResponseFormat | None = None
    template_variables: Mapping[str, Any] = field(default_factory=dict)
