"""What a server takes, found by asking it: a few short requests before the measurement."""

from dataclasses import replace
from itertools import product

from weft.contracts.prompts import LengthPrompt
from weft.measurement.serving_requests import Bodies, Wording
from weft.measurement.serving_stream import Answer, RequestFailed, stream_answer
from weft.measurement.serving_target import Target, explained

VOCABULARIES = (8192, 256)
"""Ids below the first suit nearly all models, those below the second also toys; more kinds of tokens spread better
over the experts of a mixture."""
PROMPT_TOKENS = 8
OUTPUT_TOKENS = 4
FEW_WORDS, MANY_WORDS = 16, 48
REFUSALS = (400, 422, 500, 501)
"""Statuses with which servers answer a field that they do not take."""


async def find_bodies(target: Target, endpoint: str, seed: int) -> Bodies:
    """The most exact way of asking that the server takes. Raises `WeftError` where it takes none."""
    last: RequestFailed | None = None
    for vocabulary_tokens, forces_length, asks_usage in product(
        _prompts(endpoint), (True, False), (True, False)
    ):
        bodies = Bodies(target.model, endpoint, vocabulary_tokens, forces_length, asks_usage, seed=seed)
        try:
            answer = await _ask(target, bodies, PROMPT_TOKENS)
        except RequestFailed as error:
            if error.status not in REFUSALS:
                raise explained(target, error) from error
            last = error
            continue
        if vocabulary_tokens is None:
            return replace(bodies, wording=await _wording(target, bodies))
        if answer.prompt_tokens in (None, PROMPT_TOKENS):  # else ids were read as text
            return bodies
    assert last is not None  # text is tried last, and either works or is refused
    raise explained(target, last)


def _prompts(endpoint: str) -> tuple[int | None, ...]:
    """Ids below so many, and text."""
    return (None,) if endpoint == "chat" else (*VOCABULARIES, None)


async def _ask(target: Target, bodies: Bodies, prompt_tokens: int) -> Answer:
    body = bodies.body(LengthPrompt(prompt_tokens), f"probe of {prompt_tokens}", OUTPUT_TOKENS)
    if bodies.vocabulary_tokens is not None:
        body["prompt"][-1] = bodies.vocabulary_tokens - 1  # the id that is first to be refused
    return await stream_answer(target.client, bodies.path, body)


async def _wording(target: Target, bodies: Bodies) -> Wording:
    """By the line through two texts of known length; where the server does not count, a word is a token."""
    try:
        few, many = [(await _ask(target, bodies, words)).prompt_tokens for words in (FEW_WORDS, MANY_WORDS)]
    except RequestFailed as error:
        raise explained(target, error) from error
    if few is None or many is None or many <= few:
        return Wording()
    tokens_per_word = (many - few) / (MANY_WORDS - FEW_WORDS)
    return Wording(tokens_per_word, few - FEW_WORDS * tokens_per_word)
