"""A SentencePiece model from the pieces that a GGUF file lists, in the library's own format.

That is a protocol buffer (sentencepiece_model.proto): fields by number, each a variable-length number, four bytes or
bytes with their length.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

PIECES, TRAINER, NORMALIZER = 1, 2, 3
MODEL_TYPE, BYTE_FALLBACK = 3, 35
BPE = 2
BYTE = 6
"""Type of a piece that is one byte."""
ROLES = {"unk_token": 45, "bos_token": 46, "eos_token": 47, "pad_token": 48}
"""Fields of the trainer's that name the pieces with a role."""
VARIABLE, LENGTH, FOUR_BYTES = 0, 2, 5


class Piece(NamedTuple):
    """`kind`: as SentencePiece counts types."""

    text: str
    score: float
    kind: int


def sentencepiece_model(
    pieces: Sequence[Piece], special: Mapping[str, str], *, begins_with_space: bool, drops_spaces: bool
) -> bytes:
    """Merges by score. `special`: pieces by role. `begins_with_space`: a text gets a space before it. `drops_spaces`:
    several spaces become one, and those at its ends go."""
    has_bytes = any(piece.kind == BYTE for piece in pieces)
    roles = b"".join(_text(field, special[role]) for role, field in ROLES.items() if role in special)
    trainer = _number(MODEL_TYPE, BPE) + _number(BYTE_FALLBACK, has_bytes) + roles
    normalizer = _text(1, "identity") + _number(3, begins_with_space) + _number(4, drops_spaces)
    listed = b"".join(_bytes(PIECES, _piece(piece)) for piece in pieces)
    return listed + _bytes(TRAINER, trainer) + _bytes(NORMALIZER, normalizer)


def _piece(piece: Piece) -> bytes:
    score = _variable(2 << 3 | FOUR_BYTES) + struct.pack("<f", piece.score)
    return _text(1, piece.text) + score + _number(3, piece.kind)


def _number(field: int, value: int) -> bytes:
    return _variable(field << 3 | VARIABLE) + _variable(value)


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, content: bytes) -> bytes:
    return _variable(field << 3 | LENGTH) + _variable(len(content)) + content


def _variable(value: int) -> bytes:
    """Seven bits per byte, the lowest first."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
