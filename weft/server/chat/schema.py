"""The body of a request to /v1/chat/completions."""

from typing import Annotated, Any

from pydantic import Field

from weft.server.chat.fields import MOST_TOOLS, AnswerFormat, Tool, ToolChoice
from weft.server.protocol.fields import Count
from weft.server.protocol.structured_fields import StructuredFields
from weft.server.protocol.unsupported import only, replaced_by

MOST_MESSAGES = 4096
MOST_SWITCHES = 16
Note = Annotated[str, Field(max_length=512)]


class ChatBody(StructuredFields):
    """Messages are checked where they meet the template (`weft.text.chat_messages`).

    `max_completion_tokens` is the newer name of `max_tokens`. `chat_template_kwargs`: the model's own switches, as
    vLLM's clients send them.

    Without effect by the protocol's own word are `metadata` and `safety_identifier`, notes of the client's, and
    `prompt_cache_key`, a hint for routing requests to the machine that has their beginnings in its cache: here is one.
    What follows these is documented by the protocol and not supported here. `reasoning_effort` "none" switches off
    thinking; models have no other degrees of it.
    """

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: AnswerFormat | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Field(max_length=MOST_SWITCHES)] | None = None
    reasoning_effort: Annotated[Any, only("none")] = None

    metadata: Annotated[dict[Annotated[str, Field(max_length=64)], Note], Field(max_length=16)] | None = None
    prompt_cache_key: Note | None = None
    safety_identifier: Note | None = None

    audio: Annotated[Any, only()] = None
    function_call: Annotated[Any, replaced_by("tool_choice")] = None
    functions: Annotated[Any, replaced_by("tools")] = None
    modalities: Annotated[Any, only(["text"])] = None
    moderation: Annotated[Any, only()] = None
    prediction: Annotated[Any, only()] = None
    prompt_cache_retention: Annotated[Any, only("in_memory")] = None
    service_tier: Annotated[Any, only("auto", "default")] = None
    store: Annotated[Any, only(False)] = None
    verbosity: Annotated[Any, only("medium")] = None
    web_search_options: Annotated[Any, only()] = None
