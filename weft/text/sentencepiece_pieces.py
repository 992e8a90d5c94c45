"""How SentencePiece's pieces become bytes of text, one at a time."""

from collections.abc import Sequence

from sentencepiece import SentencePieceProcessor

from weft.text.settings import AddedToken

_SPACE = "▁"


class SentencePieces:
    """A model's pieces and the tokens that were added to them.

    `strips_first`: a space at the beginning of the text is taken off. `strips_more`: so are those of the pieces
    that follow, until there is text.
    """

    def __init__(self, processor: SentencePieceProcessor, added: Sequence[AddedToken]) -> None:
        ids = list(range(processor.get_piece_size()))
        self._names: list[str] = processor.id_to_piece(ids)
        self._added = {token.token_id: token.text for token in added}
        self._ids = {name: token_id for token_id, name in enumerate(self._names)}
        self._ids |= {text: token_id for token_id, text in self._added.items()}
        self._bytes = {token_id for token_id in ids if processor.is_byte(token_id)}
        unknown = [token_id for token_id in ids if processor.is_unknown(token_id)]
        self._unknown: dict[int, str] = {token_id: processor.decode([token_id]) for token_id in unknown}
        self.control_ids = [token_id for token_id in ids if processor.is_control(token_id)]
        self.vocab_size = 1 + max([len(ids) - 1, *self._added])
        self.strips_first, self.strips_more = self._probe(processor)

    def id_of(self, text: str) -> int | None:
        """The id of the piece or added token of this name."""
        return self._ids.get(text)

    def name(self, token_id: int) -> str:
        """The name of a token, "" for one that nobody knows."""
        known = 0 <= token_id < len(self._names)
        return self._added.get(token_id) or (self._names[token_id] if known else "")

    def piece(self, token_id: int, verbatim: frozenset[int]) -> bytes:
        """What a token adds in the middle of a text; `verbatim`: tokens that are shown by their name."""
        name = self.name(token_id)
        if token_id in verbatim or token_id in self._added:
            return name.encode()
        if token_id in self._bytes:
            return bytes([int(name[3:5], 16)])
        return self._unknown.get(token_id, name.replace(_SPACE, " ")).encode()

    def may_be_stripped(self, token_id: int, verbatim: frozenset[int]) -> bool:
        """Whether this is a piece that begins with the mark of a space."""
        if token_id in verbatim or token_id in self._added or token_id in self._unknown:
            return False
        return self.name(token_id).startswith(_SPACE)

    def _probe(self, processor: SentencePieceProcessor) -> tuple[bool, bool]:
        """The library does not tell the model's rule for leading spaces, but it applies it."""
        space = self._ids.get(_SPACE)
        plain = (name for name in self._names if name.startswith(_SPACE) and name != _SPACE)
        word = self._ids.get(next(plain, ""), space)
        if word is None:
            return False, False
        strips_first = not processor.decode([word]).startswith(" ")
        strips_more = space is not None and not processor.decode([space, word]).startswith(" ")
        return strips_first, strips_more


class PieceBytes:
    """The bytes of one output."""

    def __init__(
        self, pieces: SentencePieces, special: frozenset[int], skip_special: bool, errors: str
    ) -> None:
        self._pieces, self._special = pieces, special
        self._skip_special, self.errors = skip_special, errors
        self._is_start = pieces.strips_first

    def append(self, token_id: int) -> bytes:
        if self._skip_special and token_id in self._special:
            return b""
        piece = self._pieces.piece(token_id, self._special)
        if self._is_start:
            return self._at_start(token_id, piece)
        return piece

    def _at_start(self, token_id: int, piece: bytes) -> bytes:
        strips = self._pieces.may_be_stripped(token_id, self._special)
        text = piece[1:] if strips else piece
        self._is_start = not text and (self._pieces.strips_more or not strips)
        return text
