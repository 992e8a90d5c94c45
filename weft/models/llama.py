"""Llama 2 and 3 (arXiv 2307.09288, 2407.21783): the decoder as it is."""

from weft.models.decoder import Decoder


class Llama(Decoder):
    """Biases, where a config asks for them, and the scaling of rotary positions come from the spec."""
