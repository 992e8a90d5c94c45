"""Cosines and sines of rotary position embeddings, one row per position."""

import torch
from torch import Tensor

from weft.model_specs.rope import RopeSpec


class RotaryTable:
    """For positions 0 to `max_length_tokens` (exclusive); each row holds the angles of both halves of a head.

    Angles are products in float64, so that a row is right far from the beginning.
    """

    def __init__(
        self, rope: RopeSpec, max_length_tokens: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        frequencies = torch.tensor(rope.inverse_frequencies(max_length_tokens), dtype=torch.float64)
        angles = torch.arange(max_length_tokens, dtype=torch.float64)[:, None] * frequencies
        scale = rope.attention_factor()
        self._cos_SE = (angles.cos() * scale).repeat(1, 2).to(device, dtype)
        self._sin_SE = (angles.sin() * scale).repeat(1, 2).to(device, dtype)

    def at(self, positions_T: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines at these positions: [T, E] each."""
        return self._cos_SE.index_select(0, positions_T), self._sin_SE.index_select(0, positions_T)
