"""What every tokenizer can do."""

from collections.abc import Iterable, Mapping
from typing import Protocol


class ByteStream(Protocol):
    """Turns the tokens of one output, in order, into the bytes of its text.

    `errors`: the name of the codec error handler that says what stands for bytes that are not UTF-8.
    """

    @property
    def errors(self) -> str: ...

    def append(self, token_id: int) -> bytes:
        """The bytes that this token adds; none for a token that is left out or that nobody knows."""
        ...


class Tokenizer(Protocol):
    """Text to token ids and back.

    `vocab_size`: one more than the largest token id. `special_ids`: the tokens that carry no text of their
    own (begin, end, roles of a chat…). `special_tokens`: the text of those that have a role, by the names that
    chat templates use ("bos_token", "eos_token"…).
    """

    @property
    def vocab_size(self) -> int: ...

    @property
    def bos_token_id(self) -> int | None: ...

    @property
    def eos_token_id(self) -> int | None: ...

    @property
    def special_ids(self) -> frozenset[int]: ...

    @property
    def special_tokens(self) -> Mapping[str, str]: ...

    def encode(self, text: str, *, add_special: bool = True) -> list[int]:
        """Token ids of a text. Special tokens that are written out in the text are recognised.

        `add_special`: with the tokens that this tokenizer puts around a text (mostly the one for its begin).
        A prompt from a chat template has them already: encode it with False. Raises InvalidRequest for what
        is no Unicode text or cannot be expressed in this vocabulary.
        """
        ...

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        """The text of these tokens; U+FFFD stands for bytes that are not UTF-8.

        `skip_special`: leave special tokens out first. Ids that nobody knows have no text.
        """
        ...

    def piece(self, token_id: int) -> bytes:
        """What this token adds in the middle of a text: possibly only a part of a character."""
        ...

    def byte_stream(self, *, skip_special: bool = True) -> ByteStream:
        """A fresh stream of bytes, for one output."""
        ...
