"""Text as tokens arrive: whole characters only, each token at the same cost however long the output."""

import codecs
from collections.abc import Iterable

from weft.text.tokenizer import Tokenizer

EACH_PART = "replace"
"""One U+FFFD for each part that begins like a character and does not end like one; as byte-level BPE does."""

EACH_BYTE = "weft.replace_each_byte"
"""One U+FFFD for each wrong byte; as SentencePiece does."""


def _replace_each_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error(EACH_BYTE, _replace_each_byte)


class Detokenizer:
    """The text of one output. All that it returns, joined, is `tokenizer.decode` of all its tokens.

    `skip_special`: leave special tokens out.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self._stream = tokenizer.byte_stream(skip_special=skip_special)
        self._characters = codecs.getincrementaldecoder("utf-8")(self._stream.errors)

    def append(self, token_ids: Iterable[int]) -> str:
        """The text that these tokens finish. A character of which bytes are missing is held back; bytes that
        no continuation can mend become U+FFFD."""
        data = b"".join(map(self._stream.append, token_ids))
        return self._characters.decode(data)

    def finish(self) -> str:
        """What was held back: U+FFFD for the bytes of an unfinished character. Call it once, at the end."""
        return self._characters.decode(b"", final=True)


def decode_all(tokenizer: Tokenizer, token_ids: Iterable[int], *, skip_special: bool = True) -> str:
    """The text of a whole output."""
    detokenizer = Detokenizer(tokenizer, skip_special=skip_special)
    return detokenizer.append(token_ids) + detokenizer.finish()
