"""Tokens in, text that may be streamed out: one object for each output of a request."""

from collections.abc import Iterable

from weft.text.detokenizer import Detokenizer
from weft.text.stop_strings import StopStrings
from weft.text.tokenizer import Tokenizer


class OutputText:
    """Joins detokenising and stop strings.

    `stops`: the text ends before the first of these. `skip_special`: leave special tokens out of the text.
    Raises InvalidRequest where a stop string is empty.
    """

    def __init__(
        self, tokenizer: Tokenizer, stops: tuple[str, ...] = (), *, skip_special: bool = True
    ) -> None:
        self._detokenizer = Detokenizer(tokenizer, skip_special=skip_special)
        self._has_stops, self._stop_strings = bool(stops), StopStrings(stops)
        self.num_tokens = 0
        """Tokens of the output so far; those after the one that completed a stop string do not count."""

    @property
    def stopped_by(self) -> str | None:
        """The stop string that ended the text, or None: then generation goes on."""
        return self._stop_strings.matched

    def append(self, token_ids: Iterable[int]) -> str:
        """The text that may be shown after these tokens."""
        if not self._has_stops:  # nearly always, and then all at once
            tokens = tuple(token_ids)
            self.num_tokens += len(tokens)
            return self._detokenizer.append(tokens)
        return "".join(map(self._append_one, token_ids))

    def finish(self) -> str:
        """What was held back when the output ended for another reason. Call it once, at the end."""
        shown = self._stop_strings.append(self._detokenizer.finish())
        return shown + self._stop_strings.flush()

    def _append_one(self, token_id: int) -> str:
        if self.stopped_by is not None:
            return ""
        self.num_tokens += 1
        return self._stop_strings.append(self._detokenizer.append((token_id,)))
