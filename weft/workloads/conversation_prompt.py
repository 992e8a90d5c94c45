"""Prompts of conversations that only grow, and of requests that share a system prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.contracts.errors import InvalidRequest
from weft.contracts.prompts import MediaItem, Sharing


@dataclass(frozen=True, slots=True)
class ConversationPrompt:
    """The first `num_tokens` tokens of a conversation, known by position and not by value.

    Conversations only grow, so two prompts of one `conversation` agree wherever both have tokens. The first
    `prefix_tokens` belong to the shared `prefix` instead (a system prompt, a document): all prompts with that
    prefix agree there. Blocks of any size need no hash per block, so long conversations cost no memory.
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

    @property
    def sharing(self) -> Sharing:
        return Sharing.PROMPT

    @property
    def media(self) -> tuple[MediaItem, ...]:
        return ()

    def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
        if (block + 1) * block_tokens <= self.prefix_tokens:
            return b"prefix %d/%d" % (self.prefix, block)
        return b"conversation %d/%d" % (self.conversation, block)
