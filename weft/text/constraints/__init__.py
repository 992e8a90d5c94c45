"""Constraints on outputs, enforced token by token with llguidance, which is only imported where one is compiled."""

from weft.text.constraints.cache import Grammars

__all__ = ["Grammars"]
