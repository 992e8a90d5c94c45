"""How well a model predicts a text: bits per byte, and perplexity per token."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from weft.contracts.errors import ConfigurationError
from weft.measurement.evaluation.intervals import Figure, ratio
from weft.measurement.evaluation.progress import bar
from weft.text.files import reading
from weft.text.tokenizer import Tokenizer
from weft.training.text.documents import TokenDocument

MOST_WINDOW_TOKENS = 4096
"""A longer context is not used: the scores of a whole window are in memory at once."""
PASSAGES = 30
"""Equal parts of a text, between which its figures vary: neighbouring tokens are no independent observations, long
passages nearly are (the method of batch means)."""


class Reader(Protocol):
    """A model that says how much it is surprised. `max_model_len`: tokens that it sees at once."""

    @property
    def max_model_len(self) -> int: ...

    def nats(self, document: TokenDocument) -> list[float]:
        """Of each token of the document that is learnt, in order."""
        ...


@dataclass(frozen=True, slots=True)
class TextFigures:
    """`num_bytes`: of UTF-8, that the predicted tokens stand for. `num_tokens`: that were predicted.
    `bits_per_byte.n` counts bytes, `perplexity.n` tokens."""

    file: str
    num_bytes: int
    num_tokens: int
    window_tokens: int
    bits_per_byte: Figure
    perplexity: Figure


def read_text(path: Path) -> str:
    """A text, to the byte. Raises `ConfigurationError` where it cannot be read, is not UTF-8, or is empty."""
    with reading(path, "a text in UTF-8", "convert it with iconv, or name another"):
        text = path.read_bytes().decode()
    if not text:
        raise ConfigurationError(f"{path} is empty; name a file with text in it")
    return text


def windows(token_ids: Sequence[int], window_tokens: int) -> list[TokenDocument]:
    """Windows that overlap by half, in which each token but the very first is asked about once: the first time that
    it is seen. So about half a window is before it, or all that there is. `window_tokens`: at least 2."""
    known = window_tokens - window_tokens // 2
    starts = range(0, max(1, len(token_ids) - known), window_tokens // 2)
    return [_window(token_ids[start : start + window_tokens], known if start else 1) for start in starts]


def _window(token_ids: Sequence[int], known: int) -> TokenDocument:
    return TokenDocument(list(token_ids), [place >= known for place in range(len(token_ids))], learnt_bytes=0)


def measure_text(
    path: Path, text: str, tokenizer: Tokenizer, model: Reader, *, progress: bool
) -> TextFigures:
    """Figures of a text that was read from `path`.

    The token of the beginning, where the tokenizer puts one, is not predicted and has no bytes; where it puts none,
    the first token of the text is left out, and so are its bytes. Raises `ConfigurationError` for a text of a single
    token.
    """
    token_ids = tokenizer.encode(text)
    window_tokens = min(model.max_model_len, MOST_WINDOW_TOKENS)
    if min(len(token_ids), window_tokens) < 2:
        raise ConfigurationError(
            f"nothing in {path} can be predicted: it has {len(token_ids)} tokens and the model sees {window_tokens} "
            "at once; at least 2 are needed of each"
        )
    bits: list[float] = []
    all_windows = windows(token_ids, window_tokens)
    with bar(len(all_windows), "window", progress=progress) as advance:
        for window in all_windows:
            bits += [nats / math.log(2) for nats in model.nats(window)]
            advance()
    num_bytes = len(text.encode()) - len(tokenizer.byte_stream().append(token_ids[0]))
    return _figures(str(path), num_bytes, window_tokens, bits)


def _figures(file: str, num_bytes: int, window_tokens: int, bits: Sequence[float]) -> TextFigures:
    ends = [len(bits) * part // PASSAGES for part in range(PASSAGES + 1)]
    passages = [bits[start:end] for start, end in pairwise(ends) if end > start]
    per_token = ratio([math.fsum(passage) for passage in passages], [len(passage) for passage in passages])
    assert per_token is not None
    per_byte = per_token.scaled(len(bits) / num_bytes)
    return TextFigures(
        file,
        num_bytes,
        len(bits),
        window_tokens,
        Figure(per_byte.value, per_byte.low, per_byte.high, num_bytes),
        _perplexity(per_token),
    )


def _perplexity(bits_per_token: Figure) -> Figure:
    low, high = (None if end is None else 2.0**end for end in (bits_per_token.low, bits_per_token.high))
    return Figure(2.0**bits_per_token.value, low, high, bits_per_token.n)
