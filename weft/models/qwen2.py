"""Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values, and often tied embeddings."""

from weft.models.decoder import Decoder


class Qwen2(Decoder):
    """Some layers may see only a window; which, and the biases, are in the spec."""
