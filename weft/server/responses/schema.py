"""The body of a request to /v1/responses."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from weft.server.chat.fields import Description
from weft.server.protocol.fields import Count, RequestFields, Stop, Strict
from weft.server.protocol.unsupported import only

MOST_ITEMS = 4096
MOST_PARTS = 4096
MOST_TOOLS = 1024
MOST_METADATA = 16
Name = Annotated[str, Field(min_length=1, max_length=128)]
Status = Annotated[Any, only("in_progress", "completed", "incomplete")]
Note = Annotated[str, Field(max_length=512)]


def as_parts(value: Any) -> Any:
    """A text stands for one part of text."""
    return [{"type": "input_text", "text": value}] if isinstance(value, str) else value


def as_items(value: Any) -> Any:
    """A text stands for one message of the user."""
    return [{"type": "message", "role": "user", "content": value}] if isinstance(value, str) else value


def as_item(value: Any) -> Any:
    """Messages need not say that they are messages."""
    return {"type": "message", **value} if isinstance(value, dict) and "role" in value else value


class InputText(Strict):
    """What somebody says."""

    type: Literal["input_text"]
    text: str
    prompt_cache_breakpoint: Annotated[Any, only()] = None


class OutputText(Strict):
    """What the model said in an earlier turn, as it came."""

    type: Literal["output_text"]
    text: str
    annotations: Annotated[Any, only([])] = None
    logprobs: Annotated[Any, only([])] = None


class ReasoningText(Strict):
    """What the model thought in an earlier turn."""

    type: Literal["reasoning_text"]
    text: str


Part = Annotated[InputText | OutputText, Field(discriminator="type")]
Parts = Annotated[
    list[Part],
    Field(max_length=MOST_PARTS),
    BeforeValidator(as_parts, json_schema_input_type=str | list[Part]),
]


class MessageItem(Strict):
    """A message. `id`, `status` and `phase` come with earlier answers and say nothing to the model."""

    type: Literal["message"]
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts
    id: Name | None = None
    status: Status = None
    phase: Annotated[Any, only("commentary", "final_answer")] = None


class CallItem(Strict):
    """A tool that the model called in an earlier turn; `arguments`: JSON text."""

    type: Literal["function_call"]
    call_id: Name
    name: Name
    arguments: str
    id: Name | None = None
    status: Status = None
    namespace: Annotated[Any, only()] = None
    caller: Annotated[Any, only({"type": "direct"})] = None


class CallOutputItem(Strict):
    """What came of a call."""

    type: Literal["function_call_output"]
    call_id: Name
    output: Parts
    id: Name | None = None
    status: Status = None
    name: Annotated[Any, only()] = None
    namespace: Annotated[Any, only()] = None
    caller: Annotated[Any, only({"type": "direct"})] = None


class ReasoningItem(Strict):
    """What the model thought in an earlier turn."""

    type: Literal["reasoning"]
    summary: Annotated[Any, only([])] = None
    content: Annotated[list[ReasoningText], Field(max_length=MOST_PARTS)] | None = None
    encrypted_content: Annotated[Any, only()] = None
    id: Name | None = None
    status: Status = None


AnyItem = Annotated[
    MessageItem | CallItem | CallOutputItem | ReasoningItem,
    Field(discriminator="type"),
]
Item = Annotated[AnyItem, BeforeValidator(as_item, json_schema_input_type=AnyItem)]


class Tool(Strict):
    """A function that the client runs; tools that a server runs are not supported."""

    type: Literal["function"]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    parameters: dict[str, Any] | None = None
    description: Description | None = None
    strict: bool | None = None
    allowed_callers: Annotated[Any, only(["direct"])] = None
    defer_loading: Annotated[Any, only(False)] = None
    output_schema: Annotated[Any, only()] = None


class NamedChoice(Strict):
    """The answer must call this tool."""

    type: Literal["function"]
    name: Name


def _kind_of_choice(value: Any) -> str:
    return "[mode]" if isinstance(value, str) else "[tool]"


Mode = Literal["none", "auto", "required"]
ToolChoice = Annotated[
    Annotated[Mode, Tag("[mode]")] | Annotated[NamedChoice, Tag("[tool]")],
    Discriminator(_kind_of_choice),
]


class TextFormat(Strict):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(Strict):
    """A JSON object, any."""

    type: Literal["json_object"]


class JsonSchemaFormat(Strict):
    """JSON that fits a schema. `name`, `description`: notes for models that are shown the schema; ours are not."""

    type: Literal["json_schema"]
    name: Name
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    description: Description | None = None
    strict: bool | None = None


class TextFields(Strict):
    """What the answer must look like."""

    format: (
        Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None
    ) = None
    verbosity: Annotated[Any, only("medium")] = None


class ReasoningFields(Strict):
    """`effort`: "none" switches thinking off, where the model has a switch for it."""

    effort: Literal["none"] | None = None
    context: Annotated[Any, only("auto")] = None
    generate_summary: Annotated[Any, only()] = None
    mode: Annotated[Any, only("standard")] = None
    summary: Annotated[Any, only()] = None


class StreamFields(Strict):
    """`include_obfuscation`: events are padded to hide their length; we never do."""

    include_obfuscation: Annotated[Any, only(False)] = None


class ResponsesBody(RequestFields):
    """`metadata` is kept with the answer; `user` and `safety_identifier` are notes without effect, as the protocol has
    it. `stop` and `ignore_eos` are not the protocol's; they mean what they do in chats, as in vLLM. What follows them
    is documented by the protocol and not supported here."""

    input: Annotated[
        list[Item],
        Field(min_length=1, max_length=MOST_ITEMS),
        BeforeValidator(as_items, json_schema_input_type=str | list[Item]),
    ]
    instructions: str | None = None
    previous_response_id: Name | None = None
    store: bool | None = None
    max_output_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    text: TextFields | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningFields | None = None
    metadata: (
        Annotated[dict[Annotated[str, Field(max_length=64)], Note], Field(max_length=MOST_METADATA)] | None
    ) = None
    user: Note | None = None
    safety_identifier: Note | None = None
    stop: Stop | None = None
    ignore_eos: bool | None = None

    background: Annotated[Any, only(False)] = None
    context_management: Annotated[Any, only([])] = None
    conversation: Annotated[Any, only()] = None
    include: Annotated[Any, only([])] = None
    max_tool_calls: Annotated[Any, only()] = None
    moderation: Annotated[Any, only()] = None
    prompt: Annotated[Any, only()] = None
    prompt_cache_key: Annotated[Any, only()] = None
    prompt_cache_options: Annotated[Any, only()] = None
    prompt_cache_retention: Annotated[Any, only("in_memory")] = None
    service_tier: Annotated[Any, only("auto", "default")] = None
    stream_options: StreamFields | None = None
    top_logprobs: Annotated[Any, only(0)] = None
    truncation: Annotated[Any, only("disabled")] = None
