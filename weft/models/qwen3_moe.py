"""Qwen3's mixtures of experts (arXiv 2505.09388, section 2): Qwen3 whose layers send a token to a few experts."""

from weft.models.qwen3 import Qwen3


class Qwen3Moe(Qwen3):
    """Which layers have experts, and how they are chosen, is in the spec."""
