"""The bodies of requests to /tokenize and /detokenize, in the form of vLLM's."""

from typing import Annotated, Any

from pydantic import Field

from weft.server.protocol.fields import ModelName, Strict, TokenId
from weft.server.protocol.unsupported import only

MOST_MESSAGES = 4096
MOST_TOKENS_AT_ONCE = 1 << 20


class TokenizeBody(Strict):
    """Either `prompt` or `messages`. `add_special_tokens`: with what the tokenizer puts around a text; a conversation
    has from its template what it needs. `return_token_strs`: the tokens also as text. From `add_generation_prompt` on:
    vLLM's, not supported here."""

    model: ModelName | None = None
    prompt: str | None = None
    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_MESSAGES)] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None

    add_generation_prompt: Annotated[Any, only(True)] = None
    chat_template: Annotated[Any, only()] = None
    chat_template_kwargs: Annotated[Any, only({})] = None
    continue_final_message: Annotated[Any, only(False)] = None
    mm_processor_kwargs: Annotated[Any, only({})] = None
    tools: Annotated[Any, only([])] = None


class DetokenizeBody(Strict):
    """`tokens`: ids; those that no token has, have no text."""

    model: ModelName | None = None
    tokens: Annotated[list[TokenId], Field(max_length=MOST_TOKENS_AT_ONCE)]
