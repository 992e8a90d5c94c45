"""SentencePiece's tokenizer.model."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from sentencepiece import SentencePieceProcessor

from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.text.added_tokens import AddedTokenFinder
from weft.text.detokenizer import EACH_BYTE, decode_all
from weft.text.files import reading
from weft.text.sentencepiece_pieces import PieceBytes, SentencePieces
from weft.text.settings import AddedToken, TokenizerSettings
from weft.text.special_tokens import find_special_tokens

# In a protocol buffer what comes last wins: normalizer_spec (field 3) with add_dummy_prefix (field 3) false.
_WITHOUT_PREFIX = b"\x1a\x02\x18\x00"


def load_sentencepiece(path: Path, settings: TokenizerSettings) -> "SentencePieceTokenizer":
    """Reads a SentencePiece model. Raises ConfigurationError where it is corrupt."""
    advice = "Weft reads SentencePiece models (no tiktoken files); give a tokenizer.json or download it again"
    with reading(path, "a SentencePiece model", advice):
        return SentencePieceTokenizer(path.read_bytes(), settings, path)


class SentencePieceTokenizer:
    """Implements `Tokenizer`. `model`: the file's bytes; `where`: its name, for complaints.

    A text begins with the token for the begin of a sequence, if the model has one and the settings do not say
    otherwise. Control pieces and added tokens that are written out in a text are recognised. The model may put
    a space before a text; a part that follows an added token gets none, unless the settings say `legacy`.
    """

    def __init__(self, model: bytes, settings: TokenizerSettings, where: Path) -> None:
        if not model:
            raise ConfigurationError(f"{where} is empty; download it again")
        self._start = SentencePieceProcessor(model_proto=model)
        without_prefix = SentencePieceProcessor(model_proto=model + _WITHOUT_PREFIX)
        self._middle = without_prefix
        self._settings = settings = _with_own_tokens(settings, self._start)
        self._pieces = SentencePieces(self._start, settings.added_tokens)
        own = frozenset(self._pieces.control_ids)
        self._special = find_special_tokens(settings, self._pieces.id_of, own, str(where))
        self._finder = AddedTokenFinder(self._sought())

    @property
    def vocab_size(self) -> int:
        return self._pieces.vocab_size

    @property
    def bos_token_id(self) -> int | None:
        return self._special.bos

    @property
    def eos_token_id(self) -> int | None:
        return self._special.eos

    @property
    def special_ids(self) -> frozenset[int]:
        return self._special.ids

    @property
    def special_tokens(self) -> Mapping[str, str]:
        return self._special.texts

    def encode(self, text: str, *, add_special: bool = True) -> list[int]:
        try:
            ids = self._encode_plain(text)
        except Exception as error:
            raise InvalidRequest(f"a text cannot be encoded: {error}; change {text[:40]!r}…") from None
        if not add_special:
            return ids
        add_bos = self._settings.add_bos is not False
        return self._special.surround(ids, bos=add_bos, eos=self._settings.add_eos or False)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        return decode_all(self, ids, skip_special=skip_special)

    def piece(self, token_id: int) -> bytes:
        return self._pieces.piece(token_id, self._special.ids)

    def byte_stream(self, *, skip_special: bool = True) -> PieceBytes:
        return PieceBytes(self._pieces, self._special.ids, skip_special, EACH_BYTE)

    def _encode_plain(self, text: str) -> list[int]:
        ids: list[int] = []
        for index, part in enumerate(self._finder.cut(text)):
            ids += [part] if isinstance(part, int) else self._encode_part(part, is_start=index == 0)
        return ids

    def _encode_part(self, part: str, *, is_start: bool) -> list[int]:
        gets_space = is_start or (self._settings.legacy and not part.startswith(" "))
        ids: list[int] = (self._start if gets_space else self._middle).encode(part)
        return ids

    def _sought(self) -> list[AddedToken]:
        """Added tokens keep their settings; special pieces of the model are sought as they are."""
        added = {token.token_id: token for token in self._settings.added_tokens}
        special = [token_id for token_id in sorted(self._special.ids) if token_id not in added]
        plain = [AddedToken(token_id, self._pieces.name(token_id), special=True) for token_id in special]
        return [*added.values(), *plain]


def _with_own_tokens(settings: TokenizerSettings, processor: SentencePieceProcessor) -> TokenizerSettings:
    """The model's own begin and end stand where the settings name none."""
    own = {"bos_token": processor.bos_id(), "eos_token": processor.eos_id()}
    texts = {name: processor.id_to_piece(token_id) for name, token_id in own.items() if token_id >= 0}
    return replace(settings, special_tokens=texts | dict(settings.special_tokens))
