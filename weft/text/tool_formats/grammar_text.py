"""Pieces of grammars as text."""

import json


def quoted(text: str) -> str:
    """A text that must come as it is."""
    return json.dumps(text, ensure_ascii=False)
