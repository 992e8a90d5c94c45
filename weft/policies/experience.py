"""A reader's experience of a text that is streamed to them (Liu et al., Andes, arXiv 2404.16283, section 3).

Time is in seconds since the request arrived. A reader expects the first token after `ttft_s` and then
`tokens_per_s`, and reads no faster than that, whatever has come. Quality of experience is the area below the curve of
what was read over that below what was expected: 1 where nobody ever waited.
"""

from typing import NamedTuple


class Expectation(NamedTuple):
    """When the first token, and how many per second from then on."""

    ttft_s: float
    tokens_per_s: float

    def area(self, time_s: float) -> float:
        """Below the expected curve, in token seconds."""
        reading_s = max(0.0, time_s - self.ttft_s)
        return self.tokens_per_s * reading_s * reading_s / 2


class Reading(NamedTuple):
    """How far a reader is at `time_s`: `arrived` tokens, `read` of them, `area` below the curve of what was read."""

    time_s: float = 0.0
    arrived: float = 0.0
    read: float = 0.0
    area: float = 0.0

    def advanced(self, time_s: float, arrived: float, tokens_per_s: float) -> "Reading":
        """At a later time, when `arrived` tokens are there, taken to have come evenly."""
        return Reading(*advanced(self, time_s, arrived, tokens_per_s))

    def quality(self, expected: Expectation) -> float:
        """From 0 to 1; 1 while nothing is expected yet."""
        wanted = expected.area(self.time_s)
        return min(1.0, self.area / wanted) if wanted else 1.0


Progress = tuple[float, float, float, float]
"""The fields of a `Reading` alone: they are asked for of thousands of readers at once."""


def advanced(progress: Progress, time_s: float, arrived: float, tokens_per_s: float) -> Progress:
    """As `Reading.advanced`."""
    since_s, before, read, area = progress
    duration_s = time_s - since_s
    if duration_s <= 0.0:
        return since_s, arrived, read, area
    rate = (arrived - before) / duration_s
    # While there is a backlog, reading goes at its own speed; then as fast as tokens come.
    full_s = duration_s if rate >= tokens_per_s else min(duration_s, (before - read) / (tokens_per_s - rate))
    rest_s = duration_s - full_s
    area += read * full_s + tokens_per_s * full_s * full_s / 2
    read += tokens_per_s * full_s
    area += read * rest_s + rate * rest_s * rest_s / 2
    return time_s, arrived, min(read + rate * rest_s, arrived), area


def lasts_s(progress: Progress, tokens_per_s: float) -> float:
    """For how long there is something to read if nothing more comes."""
    return (progress[1] - progress[2]) / tokens_per_s


def gain(progress: Progress, expected: Expectation, horizon_s: float, more_tokens: float) -> float:
    """How much better the quality will be in so many seconds if as many more tokens come by then than if none do."""
    time_s, arrived, _, _ = progress
    tokens_per_s, end_s = expected.tokens_per_s, time_s + horizon_s
    wanted = expected.area(end_s)
    if not wanted or lasts_s(progress, tokens_per_s) >= end_s - time_s:
        return 0.0
    served = advanced(progress, end_s, arrived + more_tokens, tokens_per_s)[3]
    waiting = advanced(progress, end_s, arrived, tokens_per_s)[3]
    return min(1.0, served / wanted) - min(1.0, waiting / wanted)
