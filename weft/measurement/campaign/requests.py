"""What the clients of a world ask for."""

from random import Random

from weft.contracts.prompts import HashPrompt, LengthPrompt, MediaItem, Prompt, TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.measurement.campaign.layouts import COMMON_TEXT, HASH_TOKENS, STOP_TOKEN, VOCABULARY
from weft.measurement.campaign.world import ClientPlan, PromptPlan

MOST_PROMPT_TOKENS = 40


def request_of(client: ClientPlan, turn: int, before: tuple[int, ...]) -> Request:
    """The `turn`-th that a client makes under its id. `before`: a conversation that its prompt goes on."""
    sampling = SamplingParams(
        n=client.n,
        beam_width=client.beam_width,
        max_tokens=client.max_tokens,
        min_tokens=client.min_tokens,
        stop_token_ids=(STOP_TOKEN,) if client.stops else (),
        temperature=client.temperature,
        seed=client.seed,
        logprobs=client.logprobs,
    )
    return Request(
        f"{client.tenant}/{client.number}",
        _prompt(client.prompt, f"{client.number}/{turn}", before),
        sampling,
        tenant=client.tenant,
        priority=client.priority,
        session=client.session,
        adapter=client.adapter,
        cache_salt=client.cache_salt,
    )


def _prompt(plan: PromptPlan, name: str, before: tuple[int, ...]) -> Prompt:
    random = Random(name)
    if plan.kind == "length":
        return LengthPrompt(plan.num_tokens)
    if plan.kind == "hashes":
        hashes = (random.randrange(2) for _ in range(-(-plan.num_tokens // HASH_TOKENS)))
        return HashPrompt(plan.num_tokens, tuple(hashes), HASH_TOKENS)
    own = tuple(random.randrange(VOCABULARY) for _ in range(plan.num_tokens - plan.shared))
    if before:
        return TokenPrompt((*before[: MOST_PROMPT_TOKENS - len(own)], *own))
    return TokenPrompt((*COMMON_TEXT[: plan.shared], *own), _media(plan))


def _media(plan: PromptPlan) -> tuple[MediaItem, ...]:
    items, start = list[MediaItem](), 1
    for picture in plan.pictures:
        num_tokens = 2 + picture
        if start + num_tokens < plan.num_tokens:
            items.append(MediaItem(b"picture %d" % picture, start, num_tokens))
            start += num_tokens + 1
    return tuple(items)
