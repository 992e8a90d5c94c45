"""How a token becomes bytes of text, as the `decoder` of a tokenizer.json says.

The library decodes whole sequences only. Here its decoders are rules for one token, where the first one may
differ, so that text can be produced as tokens arrive at the same cost for each. One thing differs on purpose:
where one byte of a run of byte tokens is wrong, the library gives up the whole run, also characters that
were complete and have been streamed; here, as in SentencePiece, only wrong bytes are replaced.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.text.detokenizer import EACH_BYTE, EACH_PART

Piece = str | bytes
Stage = Callable[[Piece, bool], Piece]  # a token's piece so far, and whether the token is the first one

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_KNOWN = "ByteLevel, ByteFallback, Fuse, Metaspace, Replace (of a string), Strip, Sequence, null"


class DecodingRules(NamedTuple):
    """`stages`: applied to each token in turn. `leading`: at most this often, these bytes are taken off the
    beginning of the text. `errors`: the codec error handler for bytes that are not UTF-8."""

    stages: tuple[Stage, ...]
    leading: bytes = b""
    most_leading: int = 0
    errors: str = EACH_BYTE

    @property
    def is_byte_level(self) -> bool:
        """Whether the characters of a token stand for bytes; those of an added token are its plain text."""
        return _byte_level in self.stages

    def piece(self, token: str, first: bool) -> bytes:
        """The bytes that a token of this text adds to the text."""
        piece: Piece = token
        for stage in self.stages:
            piece = stage(piece, first)
        return piece.encode() if isinstance(piece, str) else piece


def decoding_rules(decoder: Mapping[str, object] | None, where: str) -> DecodingRules:
    """Rules for the `decoder` entry of a tokenizer.json; `where` names the file in complaints.

    Raises ConfigurationError for a decoder that Weft does not know.
    """
    parts = _parts(decoder, where)
    kinds = [part.get("type") for part in parts]
    fuse = kinds.index("Fuse") if "Fuse" in kinds else len(parts)
    stages = tuple(_stage(part, where) for part in parts[:fuse])
    errors = EACH_PART if _byte_level in stages else EACH_BYTE
    leading, most = _leading(parts[fuse + 1 :], where)
    return DecodingRules(stages, leading, most, errors)


def _parts(decoder: Mapping[str, object] | None, where: str) -> list[Mapping[str, object]]:
    if decoder is None:
        return [{"type": "null"}]
    if decoder.get("type") != "Sequence":
        return [decoder]
    inner = decoder.get("decoders")
    if not isinstance(inner, list) or not all(isinstance(part, Mapping) for part in inner):
        raise _unknown(decoder, where)
    return [part for one in inner for part in _parts(one, where)]


def _stage(part: Mapping[str, object], where: str) -> Stage:
    match part:
        case {"type": "null"}:
            return _join_with_spaces
        case {"type": "ByteLevel"}:
            return _byte_level
        case {"type": "ByteFallback"}:
            return _byte_fallback
        case {"type": "Metaspace", "replacement": str(mark)}:
            return _metaspace(mark, drops_first=part.get("prepend_scheme") != "never")
        case {"type": "Replace", "pattern": {"String": str(pattern)}, "content": str(content)}:
            return _replace(pattern, content)
        case {"type": "Strip", "content": str(content), "start": int(start), "stop": int(stop)}:
            return _strip(content, start, stop)
    raise _unknown(part, where)


def _leading(parts: list[Mapping[str, object]], where: str) -> tuple[bytes, int]:
    """After tokens are fused the text is one piece; only its beginning may still be changed."""
    match parts:
        case []:
            return b"", 0
        case [{"type": "Strip", "content": str(content), "start": int(start), "stop": 0}]:
            return content.encode(), start
    raise _unknown(parts[0], where)


def _unknown(part: Mapping[str, object], where: str) -> ConfigurationError:
    return ConfigurationError(
        f"{where} has the decoder {str(dict(part))[:120]}, which Weft cannot apply token by token; "
        f"use a tokenizer with one of these: {_KNOWN}"
    )


def _join_with_spaces(piece: Piece, first: bool) -> Piece:
    return piece if first or isinstance(piece, bytes) else " " + piece


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's alphabet: a printable Latin-1 character stands for its own byte, the characters from U+0100 on
    stand for the other bytes in their order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    own = {chr(byte): byte for byte in printable}
    return own | {chr(0x100 + index): byte for index, byte in enumerate(others)}


_BYTE_OF = _byte_alphabet()


def _byte_level(piece: Piece, first: bool) -> Piece:  # noqa: ARG001
    if isinstance(piece, str) and all(character in _BYTE_OF for character in piece):
        return bytes(_BYTE_OF[character] for character in piece)
    return piece


def _byte_fallback(piece: Piece, first: bool) -> Piece:  # noqa: ARG001
    match = _BYTE_TOKEN.fullmatch(piece) if isinstance(piece, str) else None
    return bytes([int(match[1], 16)]) if match else piece


def _metaspace(mark: str, drops_first: bool) -> Stage:
    def stage(piece: Piece, first: bool) -> Piece:
        if isinstance(piece, bytes):
            return piece
        return piece.replace(mark, "" if first and drops_first else " ")

    return stage


def _replace(pattern: str, content: str) -> Stage:
    return lambda piece, first: piece if isinstance(piece, bytes) else piece.replace(pattern, content)


def _strip(content: str, start: int, stop: int) -> Stage:
    def stage(piece: Piece, first: bool) -> Piece:  # noqa: ARG001
        if isinstance(piece, bytes):
            return piece
        for _ in range(start):
            piece = piece.removeprefix(content)
        for _ in range(stop):
            piece = piece.removesuffix(content)
        return piece

    return stage
