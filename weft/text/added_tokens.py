"""Finds added tokens in a text, for tokenizers that do not know them themselves."""

import re
from collections.abc import Iterator, Sequence

from weft.text.settings import AddedToken


class AddedTokenFinder:
    """Cuts a text at its added tokens; where several begin at one place, the longest is taken."""

    def __init__(self, tokens: Sequence[AddedToken]) -> None:
        longest_first = sorted(tokens, key=lambda token: (-len(token.text), token.text))
        self._ids = {token.text: token.token_id for token in longest_first}
        pattern = "|".join(map(_pattern, longest_first))
        self._pattern = re.compile(pattern) if pattern else None

    def cut(self, text: str) -> Iterator[str | int]:
        """The parts of the text in order: an int is an added token, a string what is between them."""
        start = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            if match.start() > start:
                yield text[start : match.start()]
            yield self._ids[next(group for group in match.groups() if group is not None)]
            start = match.end()
        if start < len(text):
            yield text[start:]


def _pattern(token: AddedToken) -> str:
    core = f"({re.escape(token.text)})"
    if token.single_word:
        core = rf"(?<!\w){core}(?!\w)"
    return (r"\s*" if token.lstrip else "") + core + (r"\s*" if token.rstrip else "")
