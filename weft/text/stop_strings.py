"""Ends a text before the first stop string, and never lets a part of one out."""

from weft.contracts.errors import InvalidRequest


class StopStrings:
    """Watches one text, which arrives in parts.

    The match that is complete first wins, as if the text came character by character, so the parts make no
    difference and nothing after it need be generated. Of several that are complete at the same character, the
    longest wins. Raises InvalidRequest where a stop string is empty.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        if not all(stops):
            raise InvalidRequest(f"stop is {stops!r}; it must be strings that are not empty")
        self._stops = stops
        self._longest = max(map(len, stops), default=0)
        self._held = ""
        self.matched: str | None = None
        """The stop string that ended the text, or None."""

    def append(self, text: str) -> str:
        """The text that may be shown now. What could be the beginning of a stop string is held back; after
        a match there is no more."""
        if not self._stops:
            return text
        if self.matched is not None:
            return ""
        # Whatever matches later begins in what is held, so nothing before it need be looked at again.
        text = self._held + text
        self._held = ""
        if (end := self._match(text)) is not None:
            return text[:end]
        kept = self._num_held(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """What is held back at the end of the text; nothing after a match."""
        held, self._held = self._held, ""
        return held

    def _match(self, text: str) -> int | None:
        """Where the text ends, before the winning stop string."""
        found = [
            (start + len(stop), -len(stop), stop) for stop in self._stops if (start := text.find(stop)) >= 0
        ]
        if not found:
            return None
        end, minus_length, self.matched = min(found)
        return end + minus_length

    def _num_held(self, text: str) -> int:
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            end = text[len(text) - size :]
            if any(len(stop) > size and stop.startswith(end) for stop in self._stops):
                return size
        return 0
