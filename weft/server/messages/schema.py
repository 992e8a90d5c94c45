"""The body of a request to /v1/messages and /v1/messages/count_tokens."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from weft.server.chat.fields import Description
from weft.server.protocol.fields import MOST_TOKENS, Count, ModelName, RequestFields, Stop, Strict
from weft.server.protocol.unsupported import only

MOST_MESSAGES = 4096
MOST_BLOCKS = 4096
MOST_TOOLS = 1024
Cached = Annotated[Any, only({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "5m"})]
"""Marks of what to cache have no work to do: every prompt is cached as long as there is room."""
Name = Annotated[str, Field(min_length=1, max_length=128)]


def as_blocks(value: Any) -> Any:
    """A text stands for one block of text."""
    return [{"type": "text", "text": value}] if isinstance(value, str) else value


class TextBlock(Strict):
    """What somebody says. `citations` are not supported."""

    type: Literal["text"]
    text: str
    cache_control: Cached = None
    citations: Annotated[Any, only([])] = None


class ThinkingBlock(Strict):
    """What the model thought in an earlier turn. `signature`: ours are empty, and none is checked."""

    type: Literal["thinking"]
    thinking: str
    signature: Annotated[str, Field(max_length=1 << 16)] = ""


class ToolUseBlock(Strict):
    """A tool that the model called in an earlier turn."""

    type: Literal["tool_use"]
    id: Name
    name: Name
    input: dict[str, Any]
    cache_control: Cached = None
    caller: Annotated[Any, only({"type": "direct"})] = None
    toolset_name: Annotated[Any, only()] = None


Texts = Annotated[
    list[TextBlock],
    Field(max_length=MOST_BLOCKS),
    BeforeValidator(as_blocks, json_schema_input_type=str | list[TextBlock]),
]
"""A text, or blocks of text."""


class ToolResultBlock(Strict):
    """What came of a call. `is_error`: the tool failed, which the model is told before the content."""

    type: Literal["tool_result"]
    tool_use_id: Name
    content: Texts = Field(default_factory=list)
    is_error: bool | None = None
    cache_control: Cached = None
    toolset_name: Annotated[Any, only()] = None


Block = Annotated[
    TextBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock,
    Field(discriminator="type"),
]
Blocks = Annotated[
    list[Block],
    Field(max_length=MOST_BLOCKS),
    BeforeValidator(as_blocks, json_schema_input_type=str | list[Block]),
]


class MessageFields(Strict):
    """A turn of the conversation."""

    role: Literal["user", "assistant"]
    content: Blocks


class Tool(Strict):
    """A function that the client runs; tools that a server runs are not supported."""

    type: Annotated[Any, only("custom")] = None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    input_schema: dict[str, Any]
    description: Description | None = None
    strict: bool | None = None
    cache_control: Cached = None
    allowed_callers: Annotated[Any, only(["direct"])] = None
    defer_loading: Annotated[Any, only(False)] = None
    eager_input_streaming: Annotated[Any, only(False)] = None
    input_examples: Annotated[Any, only([])] = None


class ToolChoice(Strict):
    """`name`: where `type` is "tool"."""

    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Strict):
    """Whether the model thinks first, where it has a switch for that. How much it thinks cannot be bounded here."""

    type: Literal["disabled", "adaptive"]
    display: Annotated[Any, only("summarized")] = None


class JsonFormat(Strict):
    """The answer is JSON that fits a schema."""

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(Strict):
    """`format`: what the answer must look like."""

    effort: Annotated[Any, only("high")] = None
    format: JsonFormat | None = None


class Metadata(Strict):
    """`user_id`: whom the request is for; a note without effect, as the protocol has it."""

    user_id: Annotated[str, Field(max_length=256)] | None = None


class ConversationFields(Strict):
    """What both routes take. From `cache_control` on: documented by the protocol and not supported here."""

    model: ModelName
    messages: Annotated[list[MessageFields], Field(min_length=1, max_length=MOST_MESSAGES)]
    system: Texts | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None

    cache_control: Cached = None
    speed: Annotated[Any, only("standard")] = None


class CountTokensBody(ConversationFields):
    """How long would the prompt be?"""


class MessagesBody(RequestFields, ConversationFields):
    """From `container` on: documented by the protocol and not supported here."""

    max_tokens: Count
    stop_sequences: Stop | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, lt=MOST_TOKENS)] | None = None
    metadata: Metadata | None = None

    container: Annotated[Any, only()] = None
    context_management: Annotated[Any, only()] = None
    diagnostics: Annotated[Any, only()] = None
    inference_geo: Annotated[Any, only()] = None
    mcp_servers: Annotated[Any, only([])] = None
    service_tier: Annotated[Any, only("auto", "standard_only")] = None
