"""The body of a request to /v1/completions."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from weft.server.fields import MOST_TOKENS, GenerationFields
from weft.server.unsupported import only

MOST_PROMPTS = 1024


def listed_prompts(value: Any) -> list[str | list[int]]:
    """One prompt or several, texts or token ids, as a list of prompts."""
    if isinstance(value, str) or _is_tokens(value):
        return [value]
    if not isinstance(value, list) or not all(isinstance(each, str) or _is_tokens(each) for each in value):
        raise PydanticCustomError(
            "prompt", "it must be a string, a list of strings, a list of token ids or a list of such lists"
        )
    if not 1 <= len(value) <= MOST_PROMPTS:
        raise PydanticCustomError(
            "prompts", "it must hold between 1 and {most} prompts", {"most": MOST_PROMPTS}
        )
    return value


def _is_tokens(value: Any) -> bool:
    """Booleans are integers to Python; to JSON they are not."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(type(each) is int and 0 <= each < MOST_TOKENS for each in value)
    )


class CompletionBody(GenerationFields):
    """`prompt`: as `listed_prompts` leaves it. What follows `logprobs` is documented by the protocol and not
    supported here; `best_of` only where it changes nothing, as it equals `n`."""

    prompt: Annotated[list[Any], BeforeValidator(listed_prompts)]
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    best_of: Annotated[int, Field(ge=1, le=128)] | None = None
    echo: Annotated[Any, only(False)] = None
    suffix: Annotated[Any, only()] = None
    user: Annotated[Any, only()] = None
