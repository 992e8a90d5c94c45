"""Streams of chance, each of its own name."""

import hashlib
from random import Random


def named_stream(seed: int, name: str) -> Random:
    """A stream that follows from (seed, name) alone: what others draw does not change it."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "little"))
