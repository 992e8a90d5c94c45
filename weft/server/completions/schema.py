"""The body of a request to /v1/completions."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from weft.contracts.requests import MOST_SAMPLES
from weft.server.protocol.fields import MOST_TOKENS, TokenId
from weft.server.protocol.structured_fields import StructuredFields
from weft.server.protocol.unsupported import only

MOST_PROMPTS = 1024


Tokens = Annotated[list[TokenId], Field(min_length=1)]
OnePrompt = str | Tokens


def listed_prompts(value: Any, *, most: int = MOST_PROMPTS) -> list[str | list[int]]:
    """One prompt or several, texts or token ids, as a list of prompts."""
    if isinstance(value, str) or _is_tokens(value):
        return [value]
    if not isinstance(value, list) or not all(isinstance(each, str) or _is_tokens(each) for each in value):
        raise PydanticCustomError(
            "prompt", "it must be a string, a list of strings, a list of token ids or a list of such lists"
        )
    if not 1 <= len(value) <= most:
        raise PydanticCustomError("prompts", "it must hold between 1 and {most} prompts", {"most": most})
    return value


def _is_tokens(value: Any) -> bool:
    """Booleans are integers to Python; to JSON they are not."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(type(each) is int and 0 <= each < MOST_TOKENS for each in value)
    )


class CompletionBody(StructuredFields):
    """`prompt`: as `listed_prompts` leaves it. `max_tokens` of 0: no output, only what is asked of the prompt. What
    follows `echo` is documented by the protocol and not supported here."""

    prompt: Annotated[
        list[Any],
        BeforeValidator(
            listed_prompts,
            json_schema_input_type=OnePrompt
            | Annotated[list[OnePrompt], Field(min_length=1, max_length=MOST_PROMPTS)],
        ),
    ]
    max_tokens: Annotated[int, Field(ge=0, lt=MOST_TOKENS)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    best_of: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = None
    echo: bool | None = None

    suffix: Annotated[Any, only()] = None
