"""Streams of chance, each of its own name, that give the same draws on every machine."""

import hashlib
from random import Random

_STEPS = float(2**32)


def named_stream(seed: int, name: str) -> Random:
    """A stream that follows from (seed, name) alone: what others draw does not change it."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "little"))


def settled(value: float) -> float:
    """A draw of at least 0, cut to a multiple of 2^-32.

    Logarithms and powers differ between machines in the last bit; sums of settled values do not.
    """
    return int(value * _STEPS) / _STEPS
