"""Mistral (arXiv 2310.06825): Llama whose layers may see only a sliding window (section 2)."""

from weft.models.decoder import Decoder


class Mistral(Decoder):
    """The windows are in the spec; the state behind them is given up as it leaves the window."""
