"""A model without tensors whose text tells whether its state was kept right.

Every number is an unsigned 64-bit integer. A position leaves one *entry* in each state group. The *view* of
a paged group at a position is the sum of the entries that the position sees; the view of a constant group
is its last entry. An entry depends on the content at its position and on all views before it, and so on the
whole prefix; not on tenant or seed, because equal prefixes may share state. The next token depends on all
views, the tenant, the position and the seed. A stale, foreign or lost entry therefore changes the text.

The functions are pure. They know nothing of blocks; whoever holds the state hands in the views.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, islice
from math import gcd

from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.prompts import HashPrompt, LengthPrompt, MediaItem, TokenPrompt
from weft.contracts.requests import Request
from weft.contracts.state import EncoderGroup, StateLayout
from weft.contracts.steps import Candidate, TokenLogprobs

MASK = (1 << 64) - 1
"""Keeps the low 64 bits."""

_LOGPROB_STEPS = 1 << 18
"""Log-probabilities are whole multiples of 1 / this, so that their sums are exact in any order."""


def mix(*values: int) -> int:
    """A number that depends on every one of `values` and on their order (the finaliser of splitmix64)."""
    state = len(values)
    for value in values:
        state = (state + value + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state


@lru_cache(maxsize=4096)
def digest(content: str | bytes) -> int:
    """64 bits that stand for a name or for content; the same in every process."""
    raw = content.encode() if isinstance(content, str) else content
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class FakeModelSpec:
    """A fake model: which state it keeps, and how it draws tokens.

    `layout` decides the variant (paged, windowed, recurrent, mixed, with an encoder). `stop_bias`: chance
    from 0 to 1 that the likeliest token is one of the request's stop tokens, on top of what happens by
    itself. `fingerprint` enters every entry, as state of another fingerprint must never be used.
    """

    layout: StateLayout
    vocab_size: int = 97
    stop_bias: float = 0.0
    fingerprint: str = "fake-1"

    def __post_init__(self) -> None:
        if self.vocab_size < 2:
            raise ConfigurationError(f"vocab_size is {self.vocab_size}; it must be at least 2")
        if not 0.0 <= self.stop_bias <= 1.0:
            raise ConfigurationError(f"stop_bias is {self.stop_bias}; it must be between 0 and 1")


def text_groups(layout: StateLayout) -> tuple[int, ...]:
    """Indexes of the groups that keep state of the text: paged and constant ones."""
    return tuple(i for i, group in enumerate(layout.groups) if not isinstance(group, EncoderGroup))


def encoder_groups(layout: StateLayout) -> tuple[int, ...]:
    """Indexes of the groups that keep outputs of a media encoder."""
    return tuple(i for i, group in enumerate(layout.groups) if isinstance(group, EncoderGroup))


def prompt_token(spec: FakeModelSpec, request: Request, position: int) -> int:
    """Token id at a position of the prompt; made up, but equal for equal content, where a trace tells none.

    Raises `InvalidRequest` for a kind of prompt that is not known here.
    """
    match request.prompt:
        case TokenPrompt(tokens=tokens):
            return tokens[position]
        case LengthPrompt():
            return mix(digest(request.request_id), position) % spec.vocab_size
        case HashPrompt(hashes=hashes, hash_tokens=hash_tokens):
            index, offset = divmod(position, hash_tokens)
            return mix(hashes[index], offset) % spec.vocab_size
    raise InvalidRequest(
        f"the fake model cannot read a {type(request.prompt).__name__}; give one of the known kinds"
    )


def encoder_entry(spec: FakeModelSpec, group: int, item: MediaItem, offset: int, weights_version: int) -> int:
    """What the media encoder leaves in `group` for the token at `offset` of an item."""
    return mix(group, digest(item.content_hash), offset, weights_version, digest(spec.fingerprint))


def media_content(spec: FakeModelSpec, item: MediaItem, offset: int, weights_version: int) -> int:
    """Content of a prompt position inside a media item: the sum over the encoder groups.

    A layout without one encodes on the fly.
    """
    groups = encoder_groups(spec.layout) or (-1,)
    return sum(encoder_entry(spec, group, item, offset, weights_version) for group in groups)


def state_salt(spec: FakeModelSpec, request: Request, weights_version: int) -> int:
    """What tells apart the entries of equal content under another adapter, weights or fingerprint."""
    adapter = 0 if request.adapter is None else 1 + digest(request.adapter)
    return mix(adapter, weights_version, digest(spec.fingerprint))


def state_entry(group: int, content: int, position: int, salt: int, before: int) -> int:
    """Entry of a position in a state group; `before` is `mix` of all views before that position."""
    return mix(group, content, position, salt, before)


def choose_token(
    spec: FakeModelSpec, request: Request, sample_index: int, position: int, views: Sequence[int]
) -> int:
    """The token at `position`, given the views at the position before it.

    A temperature above 0 adds noise of (seed, sample index); the seed defaults to one made of the request id.
    """
    sampling = request.sampling
    noise = 0
    if sampling.temperature > 0.0:
        seed = digest(request.request_id) if sampling.seed is None else sampling.seed
        noise = mix(seed, sample_index)
    key = _output_key(request, position, views, noise)
    return next(_by_likelihood(spec, request, position, key))


def likeliest_candidates(
    spec: FakeModelSpec, request: Request, position: int, views: Sequence[int], count: int
) -> tuple[Candidate, ...]:
    """The `count` likeliest tokens at `position` (or the whole vocabulary), the likeliest first.

    Log-probabilities are negative, strictly falling and not normalised. Without temperature, the first
    is the token that `choose_token` takes.
    """
    return tuple(islice(_ranked(spec, request, position, views), count))


def token_logprobs(
    spec: FakeModelSpec, request: Request, token: int, position: int, views: Sequence[int]
) -> TokenLogprobs:
    """What a request that asks for log-probabilities is told of the token at `position`.

    They are those of `likeliest_candidates`, whatever noise has chosen the token.
    """
    ranked = _ranked(spec, request, position, views)
    likeliest = tuple(islice(ranked, request.sampling.logprobs or 0))
    chosen = next(each for each in chain(likeliest, ranked) if each.token == token)
    return TokenLogprobs(token, chosen.logprob, likeliest)


def _ranked(
    spec: FakeModelSpec, request: Request, position: int, views: Sequence[int]
) -> Iterator[Candidate]:
    key = _output_key(request, position, views, noise=0)
    logprob = 0.0
    for rank, token in enumerate(_by_likelihood(spec, request, position, key)):
        logprob -= (1 + mix(key, rank) % (1 << 20)) / _LOGPROB_STEPS
        yield Candidate(token, logprob)


def stops(request: Request, token: int, num_outputs: int) -> bool:
    """Whether `token` ends the sequence as its `num_outputs`-th output token (from 1)."""
    sampling = request.sampling
    return token in sampling.stop_token_ids and num_outputs > sampling.min_tokens


def ends(request: Request, token: int, num_outputs: int) -> bool:
    """Whether the sequence ends with `token`, its `num_outputs`-th output token (from 1)."""
    return stops(request, token, num_outputs) or num_outputs >= request.sampling.max_tokens


def _output_key(request: Request, position: int, views: Sequence[int], noise: int) -> int:
    return mix(position, digest(request.tenant), noise, *views)


def _by_likelihood(spec: FakeModelSpec, request: Request, position: int, key: int) -> Iterator[int]:
    """All tokens allowed at `position`, each once, in an order that `key` decides."""
    sampling, vocab_size = request.sampling, spec.vocab_size
    shuffle = mix(key)
    first = _likeliest(spec, sampling.stop_token_ids, key, shuffle)
    stride = 1 + shuffle % (vocab_size - 1)
    while gcd(stride, vocab_size) > 1:
        stride += 1
    too_early = position - request.prompt.num_tokens < sampling.min_tokens
    banned = sampling.stop_token_ids if too_early else ()
    order = ((first + index * stride) % vocab_size for index in range(vocab_size))
    allowed = (token for token in order if token not in banned)
    yield next(allowed, first)
    yield from allowed


def _likeliest(spec: FakeModelSpec, stop_token_ids: Sequence[int], key: int, shuffle: int) -> int:
    stops = [token for token in stop_token_ids if token < spec.vocab_size]
    if stops and (shuffle >> 32) < spec.stop_bias * (1 << 32):
        return stops[key % len(stops)]
    return key % spec.vocab_size
