"""A model's tokens as llguidance needs them: the bytes of each, which are special, which end a text."""

from collections.abc import Iterable, Sequence
from math import ceil

from llguidance import LLTokenizer
from llguidance._tokenizer import TokenizerWrapper

from weft.text.tokenizer import Tokenizer

_NEVER = b""
"""The bytes of a token that no text contains."""
_MARK = b"\xff"
"""With it llguidance marks special tokens; no UTF-8 contains it."""


class ConstraintVocabulary:
    """The tokens that a model can produce.

    `vocab_size`: number of logits, which may differ from that of the tokenizer's tokens. `end_token_ids`: they end an
    output. One token more than there are logits ends a text too, so that there is an end in every model.

    `row_bytes`: of a mask, one bit per token, in whole words of 32. `ends`: the mask of the tokens that end a text.
    `not_first`: that of the tokens that begin a text with other bytes than they add in the middle of one, as where
    SentencePiece drops a leading space; None where there are none. Beyond the first token there is no difference.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, end_token_ids: Sequence[int]) -> None:
        ends = [token for token in dict.fromkeys(end_token_ids) if token < vocab_size]
        special = {*(token for token in tokenizer.special_ids if token < vocab_size), *ends}
        pieces = [tokenizer.piece(token) for token in range(vocab_size)]
        texts = [_safe(piece) for piece in pieces] + [b"<|end of constrained text|>"]
        wrapped = TokenizerWrapper(_Tokens(tokenizer, texts, [*sorted(special), vocab_size]))
        self.tokenizer = LLTokenizer(wrapped, n_vocab=len(texts), eos_token=[*ends, vocab_size])
        self.row_bytes = 4 * ceil(len(texts) / 32)
        self.ends = bit_mask([*ends, vocab_size], self.row_bytes)
        plain = (token for token, piece in enumerate(pieces) if piece and token not in special)
        differing = [token for token in plain if _begins(tokenizer, token) != pieces[token]]
        self.not_first = bit_mask(differing, self.row_bytes) if differing else None


class _Tokens:
    """What llguidance's wrapper reads. Texts are only taken apart where a grammar forces tokens, which ours do not."""

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[bytes], special: Sequence[int]) -> None:
        self._tokenizer, self.tokens, self.special_token_ids = tokenizer, texts, special
        self.bos_token_id, self.eos_token_id = tokenizer.bos_token_id, special[-1]

    def __call__(self, text: str | bytes) -> list[int]:
        plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        return self._tokenizer.encode(plain, add_special=False)


def bit_mask(tokens: Iterable[int], num_bytes: int) -> bytes:
    """A mask with the bits of these tokens set."""
    mask = bytearray(num_bytes)
    for token in tokens:
        mask[token >> 3] |= 1 << (token & 7)
    return bytes(mask)


def _safe(piece: bytes) -> bytes:
    return _NEVER if piece.startswith(_MARK) else piece


def _begins(tokenizer: Tokenizer, token: int) -> bytes:
    return tokenizer.byte_stream().append(token)
