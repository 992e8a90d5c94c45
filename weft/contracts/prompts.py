"""Prompts as the engine sees them: a length, and a key for the content of each block.

The engine never needs a prompt's tokens. It needs to know how many units there are to compute and
whether two blocks hold the same content. Real tokens, a trace that only tells lengths, a trace with
prefix hashes, and images by content hash are all kinds of `Prompt`.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from weft.contracts.errors import InvalidRequest


class Sharing(Enum):
    """How far two requests can have content in common."""

    TOKENS = "tokens"
    """Prompt and output are known by value: a later prompt may contain this request's output."""
    TRANSCRIPT = "transcript"
    """Prompt and output are part of a conversation that is replayed, so that the prompt's keys go on through the
    output: a later prompt may contain it although nobody computes its tokens."""
    PROMPT = "prompt"
    """Only whole blocks of the prompt are known by value; the output is nobody else's."""
    NOTHING = "nothing"
    """No other request can have this content, so its keys need no hashing."""


class MediaItem(NamedTuple):
    """An image, clip or sound inside a prompt, known by the hash of its content.

    It stands for prompt positions `start` to `start + num_tokens` (exclusive).
    """

    content_hash: bytes
    start: int
    num_tokens: int


class Prompt(Protocol):
    """What the engine needs to know of a prompt."""

    @property
    def num_tokens(self) -> int:
        """Length in tokens, at least 1."""

    @property
    def sharing(self) -> Sharing:
        """How far other requests may reuse the state computed for this one."""

    @property
    def media(self) -> tuple[MediaItem, ...]:
        """Media items in order of position, not overlapping."""

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        """Identity of the content at positions `[block * block_tokens, (block + 1) * block_tokens)`.

        `output`: the output tokens that fill the rest of the block where the prompt ends in or before
        it; only given where `sharing` is `TOKENS`. Where it is `TRANSCRIPT`, the block may lie in the output, or
        reach into it. Content before the block does not enter: the engine chains keys itself.
        """


def encode_tokens(tokens: Sequence[int]) -> bytes:
    """Token ids as 32-bit integers: the content of a run of tokens, the same in prompt and output."""
    return array("i", tokens).tobytes()


def _check(num_tokens: int, media: tuple[MediaItem, ...]) -> None:
    if num_tokens < 1:
        raise InvalidRequest(f"a prompt has {num_tokens} tokens; it needs at least 1")
    end = 0
    for item in media:
        if item.num_tokens < 1 or item.start < end or item.start + item.num_tokens > num_tokens:
            raise InvalidRequest(
                f"media item at position {item.start} with {item.num_tokens} tokens overlaps another item "
                f"or leaves the prompt of {num_tokens} tokens; give items in order, inside the prompt"
            )
        end = item.start + item.num_tokens


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """Real token ids, with media items by content hash.

    Positions covered by a media item hold a placeholder id; the item's hash enters the content key of
    every block it touches.
    """

    tokens: tuple[int, ...]
    media: tuple[MediaItem, ...] = ()
    sharing: Sharing = Sharing.TOKENS

    def __post_init__(self) -> None:
        _check(len(self.tokens), self.media)
        low, high = min(self.tokens), max(self.tokens)
        if low < 0 or high >= 2**31:
            raise InvalidRequest(f"token id {low if low < 0 else high} is outside 0 to 2^31 - 1")

    @property
    def num_tokens(self) -> int:
        return len(self.tokens)

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        start, end = block * block_tokens, (block + 1) * block_tokens
        tokens = self.tokens[start:end]
        key = encode_tokens((*tokens, *output) if output else tokens)
        for item in self.media:
            if item.start < end and item.start + item.num_tokens > start:
                key += b"|media|%d/%d|" % (start - item.start, item.num_tokens) + item.content_hash
        return key


@dataclass(frozen=True, slots=True)
class LengthPrompt:
    """A prompt of which a trace tells only the length. Nothing can be shared with it."""

    num_tokens: int
    media: tuple[MediaItem, ...] = ()
    sharing: Sharing = Sharing.NOTHING

    def __post_init__(self) -> None:
        _check(self.num_tokens, self.media)

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        return b"%d/%d" % (block, block_tokens)


@dataclass(frozen=True, slots=True)
class HashPrompt:
    """A prompt of which a trace tells the length and one hash per `hash_tokens` tokens.

    Equal hashes at equal offsets after equal prefixes mean equal content (the format of the Mooncake
    traces, where one hash covers 512 tokens).
    """

    num_tokens: int
    hashes: tuple[int, ...]
    hash_tokens: int
    media: tuple[MediaItem, ...] = ()
    sharing: Sharing = Sharing.PROMPT

    def __post_init__(self) -> None:
        _check(self.num_tokens, self.media)
        if self.hash_tokens < 1:
            raise InvalidRequest(f"hash_tokens is {self.hash_tokens}; a prompt hash covers at least 1 token")
        expected = -(-self.num_tokens // self.hash_tokens)
        if len(self.hashes) != expected:
            raise InvalidRequest(
                f"{len(self.hashes)} hashes of {self.hash_tokens} tokens for a prompt of {self.num_tokens} "
                f"tokens; {expected} are needed"
            )

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        if self.hash_tokens % block_tokens:
            raise InvalidRequest(
                f"a prompt hash covers {self.hash_tokens} tokens, which blocks of {block_tokens} tokens do not "
                "divide; choose a block size that does"
            )
        index, offset = divmod(block * block_tokens, self.hash_tokens)
        return b"%d+%d" % (self.hashes[index], offset)
