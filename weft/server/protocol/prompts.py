"""Prompts of a request as tokens, texts and token ids alike."""

import asyncio
from collections.abc import Sequence

from weft.llm.language_model import LONG_TEXT, LanguageModel
from weft.llm.prompting import Prompt
from weft.server.errors import ApiError


async def encode_prompts(llm: LanguageModel, prompts: Sequence[Prompt], field: str) -> list[tuple[int, ...]]:
    """Each prompt's token ids, checked against the model; where there is much text, in a thread.

    `field`: where they come from. Raises `InvalidRequest`, and `ApiError` 400 for texts where there is no tokenizer.
    """
    encode = llm.prompting.encode
    if llm.prompting.tokenizer is None and any(isinstance(each, str) for each in prompts):
        raise ApiError(
            400,
            "this model has no tokenizer; give token ids, or start the server with --tokenizer",
            param=field,
        )
    if sum(map(len, prompts)) >= LONG_TEXT:
        return await asyncio.to_thread(lambda: [encode(prompt) for prompt in prompts])
    return [encode(prompt) for prompt in prompts]
