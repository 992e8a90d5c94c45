"""Prompts of conversations that only grow, and of requests that share a system prompt.

Their keys go on through the answer, which the next turn's prompt contains.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import MediaItem, Sharing, encode_tokens


class _Transcript:
    """What prompts that are replayed have in common."""

    __slots__ = ()

    @property
    def sharing(self) -> Sharing:
        return Sharing.TRANSCRIPT

    @property
    def media(self) -> tuple[MediaItem, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class ConversationPrompt(_Transcript):
    """The first `num_tokens` tokens of a conversation, known by position and not by value.

    Conversations only grow, so two prompts of one `conversation` agree wherever both have tokens, and an answer agrees
    with the prompt of the next turn. The first `prefix_tokens` belong to the shared `prefix` instead (a system prompt,
    a document): all prompts with that prefix agree there. Blocks of any size need no hash per block, so long
    conversations cost no memory.
    """

    num_tokens: int
    conversation: int
    prefix: int = 0
    prefix_tokens: int = 0

    def __post_init__(self) -> None:
        if self.num_tokens < 1 or self.prefix_tokens < 0:
            raise InvalidRequest(
                f"a prompt of {self.num_tokens} tokens with {self.prefix_tokens} of a shared prefix; it needs at "
                "least 1 token, and 0 or more of the prefix"
            )

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        if (block + 1) * block_tokens <= self.prefix_tokens:
            return b"prefix %d/%d" % (self.prefix, block)
        return b"conversation %d/%d" % (self.conversation, block)


@dataclass(frozen=True, slots=True)
class TranscriptPrompt(_Transcript):
    """The first `num_tokens` tokens of a recorded text, which goes on with the answer, and may go on after it.

    `tokens`: the whole text, known by value, so that prompts agree wherever their tokens do, also with a `TokenPrompt`.
    All turns of a conversation can hold the same one.
    """

    tokens: tuple[int, ...]
    num_tokens: int

    def __post_init__(self) -> None:
        if not 1 <= self.num_tokens <= len(self.tokens):
            raise InvalidRequest(
                f"a prompt of {self.num_tokens} tokens from a text of {len(self.tokens)}; it needs at least 1 and "
                "at most all of them"
            )

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        return encode_tokens(self.tokens[block * block_tokens : (block + 1) * block_tokens])
