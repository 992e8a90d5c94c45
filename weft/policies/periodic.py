"""Ranks that change with time, asked anew at fixed moments."""

from math import floor

from weft.contracts.policies import Rerank

PERIOD_S = 0.1
"""Seconds between these moments: few steps, and few enough questions where thousands wait."""


def next_moment(now_s: float) -> Rerank:
    """The first one after `now_s`."""
    return Rerank((floor(now_s / PERIOD_S) + 1) * PERIOD_S)
