"""Looks for a marker in text that arrives in pieces."""


def num_held(text: str, marker: str) -> int:
    """How many characters at the end of `text` could be the beginning of `marker`."""
    for size in range(min(len(marker) - 1, len(text)), 0, -1):
        if text.endswith(marker[:size]):
            return size
    return 0
