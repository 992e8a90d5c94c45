"""The body of a request to /v1/embeddings."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from weft.contracts.callers import MOST_NAME_CHARACTERS, MOST_PRIORITY
from weft.server.completions.schema import OnePrompt, listed_prompts
from weft.server.protocol.fields import Count, Strict

MOST_INPUTS = 2048
"""The protocol's."""


class EmbeddingsBody(Strict):
    """`input`: as `listed_prompts` leaves it. `dimensions`: so many numbers of each vector, the first ones, made one of
    length 1 again. `user` changes nothing: it is the client's own note. `priority` and `cache_salt` are ours and mean
    what they do in `Caller`.
    """

    input: Annotated[
        list[Any],
        BeforeValidator(
            partial(listed_prompts, most=MOST_INPUTS),
            json_schema_input_type=OnePrompt
            | Annotated[list[OnePrompt], Field(min_length=1, max_length=MOST_INPUTS)],
        ),
    ]
    model: Annotated[str, Field(max_length=256)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None

    user: Annotated[str, Field(max_length=MOST_NAME_CHARACTERS)] | None = None
    priority: Annotated[int, Field(ge=-MOST_PRIORITY, le=MOST_PRIORITY)] | None = None
    cache_salt: Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARACTERS)] | None = None
