"""A tokenizer that the `tokenizers` library runs: tokenizer.json, or built from other files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import tokenizers

from weft.contracts.errors import InvalidRequest
from weft.text.decoding_rules import DecodingRules, decoding_rules
from weft.text.detokenizer import decode_all
from weft.text.files import read_text, reading
from weft.text.settings import TokenizerSettings
from weft.text.special_tokens import find_special_tokens


def load_tokenizer_json(path: Path, settings: TokenizerSettings) -> "HuggingFaceTokenizer":
    """Reads a tokenizer.json. Raises ConfigurationError where it is corrupt or decodes in an unknown way."""
    content = read_text(path, "a tokenizer")
    with reading(path, "a tokenizer"):
        return HuggingFaceTokenizer(tokenizers.Tokenizer.from_str(content), settings, path)


class HuggingFaceTokenizer:
    """Implements `Tokenizer`. `where`: the file, for complaints.

    Where the settings say nothing of begin and end, a text gets around it what the tokenizer's own
    post-processor says. Truncation and padding, which the file may ask for, are switched off.
    """

    def __init__(self, backend: tokenizers.Tokenizer, settings: TokenizerSettings, where: Path) -> None:
        backend.no_truncation()
        backend.no_padding()
        added = backend.get_added_tokens_decoder()
        own = frozenset(token_id for token_id, token in added.items() if token.special)
        self._backend, self._settings = backend, settings
        self._special = find_special_tokens(settings, backend.token_to_id, own, str(where))
        self._added = {token_id: token.content.encode() for token_id, token in added.items()}
        self._rules = _rules_of(backend, where)
        self._pieces: dict[int, bytes] = {}
        self._vocab_size = 1 + max(backend.get_vocab(with_added_tokens=True).values(), default=-1)

    @property
    def vocab_size(self) -> int:
        return self._vocab_size

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
        add_bos, add_eos = self._settings.add_bos, self._settings.add_eos
        is_set = add_bos is not None or add_eos is not None
        try:
            ids = self._backend.encode(text, add_special_tokens=add_special and not is_set).ids
        except Exception as error:
            raise InvalidRequest(f"a text cannot be encoded: {error}; change {text[:40]!r}…") from None
        if add_special and is_set:
            return self._special.surround(ids, bos=add_bos or False, eos=add_eos or False)
        return list(ids)

    def decode(self, ids: Iterable[int], *, skip_special: bool = True) -> str:
        return decode_all(self, ids, skip_special=skip_special)

    def piece(self, token_id: int) -> bytes:
        piece = self._pieces.get(token_id)
        if piece is None:
            piece = self._pieces[token_id] = self.piece_at(token_id, first=False) or b""
        return piece

    def piece_at(self, token_id: int, *, first: bool) -> bytes | None:
        """What this token adds, `first` in a text or not; None for an id that nobody knows."""
        if self._rules.is_byte_level and token_id in self._added:
            return self._added[token_id]
        known = 0 <= token_id < self._vocab_size
        token = self._backend.id_to_token(token_id) if known else None
        return None if token is None else self._rules.piece(token, first)

    def byte_stream(self, *, skip_special: bool = True) -> "_Bytes":
        skipped = self._special.ids if skip_special else frozenset()
        return _Bytes(self, self._rules, skipped)


class _Bytes:
    """The bytes of one output."""

    def __init__(
        self, tokenizer: HuggingFaceTokenizer, rules: DecodingRules, skipped: frozenset[int]
    ) -> None:
        self._tokenizer, self._rules, self._skipped = tokenizer, rules, skipped
        self._is_first = True
        self._leading_left = rules.most_leading

    @property
    def errors(self) -> str:
        return self._rules.errors

    def append(self, token_id: int) -> bytes:
        if token_id in self._skipped:
            return b""
        piece = self._first(token_id) if self._is_first else self._tokenizer.piece(token_id)
        return self._without_leading(piece) if self._leading_left else piece

    def _first(self, token_id: int) -> bytes:
        piece = self._tokenizer.piece_at(token_id, first=True)
        self._is_first = piece is None  # an unknown token is as if it were not there
        return piece or b""

    def _without_leading(self, piece: bytes) -> bytes:
        leading = self._rules.leading
        while self._leading_left and piece.startswith(leading):
            piece = piece[len(leading) :]
            self._leading_left -= 1
        if piece:
            self._leading_left = 0
        return piece


def _rules_of(backend: tokenizers.Tokenizer, where: Path) -> DecodingRules:
    # A decoder's state is its JSON as in the file; the whole tokenizer's would be megabytes.
    state = None if backend.decoder is None else json.loads(backend.decoder.__getstate__())
    return decoding_rules(state, str(where))
