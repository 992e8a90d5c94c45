"""Token ids for prompts of which only lengths and keys are known, so that a real server can be asked."""

from random import Random

from weft.contracts.prompts import HashPrompt, Prompt, Sharing, TokenPrompt
from weft.workloads.checks import check_at_least
from weft.workloads.conversation_prompt import TranscriptPrompt
from weft.workloads.streams import named_stream

BLOCK_TOKENS = 16


def token_ids(prompt: Prompt, request_id: str, vocabulary_tokens: int, seed: int = 0) -> list[int]:
    """Ids below `vocabulary_tokens` that agree between two prompts where their content keys do.

    A prompt that shares nothing gets ids of its `request_id`; one with real tokens keeps them.
    """
    check_at_least("the size of the vocabulary", vocabulary_tokens, 1)
    if isinstance(prompt, TokenPrompt):
        return list(prompt.tokens)
    if isinstance(prompt, TranscriptPrompt):
        return list(prompt.tokens[: prompt.num_tokens])
    if prompt.sharing is Sharing.NOTHING:
        return _drawn(named_stream(seed, f"tokens of {request_id}"), prompt.num_tokens, vocabulary_tokens)
    size = prompt.hash_tokens if isinstance(prompt, HashPrompt) else BLOCK_TOKENS
    ids: list[int] = []
    for block in range(-(-prompt.num_tokens // size)):
        stream = named_stream(seed, f"tokens of {prompt.content_key(block, size)!r}")
        ids += _drawn(stream, min(size, prompt.num_tokens - len(ids)), vocabulary_tokens)
    return ids


def _drawn(random: Random, number: int, vocabulary_tokens: int) -> list[int]:
    return [int(random.random() * vocabulary_tokens) for _ in range(number)]
