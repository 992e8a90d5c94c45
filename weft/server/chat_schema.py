"""The body of a request to /v1/chat/completions."""

from typing import Annotated, Any

from pydantic import Field

from weft.server.fields import Count, GenerationFields
from weft.server.unsupported import only

MOST_MESSAGES = 4096


class ChatBody(GenerationFields):
    """Messages are checked where they meet the template (`weft.text.messages`).

    `max_completion_tokens` is the newer name of `max_tokens`. What follows `top_logprobs` is documented by the
    protocol and not supported here.
    """

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    audio: Annotated[Any, only()] = None
    function_call: Annotated[Any, only("none")] = None
    functions: Annotated[Any, only([])] = None
    metadata: Annotated[Any, only({})] = None
    modalities: Annotated[Any, only(["text"])] = None
    moderation: Annotated[Any, only()] = None
    parallel_tool_calls: Annotated[Any, only(True)] = None
    prediction: Annotated[Any, only()] = None
    prompt_cache_key: Annotated[Any, only()] = None
    prompt_cache_retention: Annotated[Any, only("in_memory")] = None
    reasoning_effort: Annotated[Any, only("none")] = None
    response_format: Annotated[Any, only({"type": "text"})] = None
    safety_identifier: Annotated[Any, only()] = None
    service_tier: Annotated[Any, only("auto", "default")] = None
    store: Annotated[Any, only(False)] = None
    tool_choice: Annotated[Any, only("none")] = None
    tools: Annotated[Any, only([])] = None
    user: Annotated[Any, only()] = None
    verbosity: Annotated[Any, only("medium")] = None
    web_search_options: Annotated[Any, only()] = None
