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
        duration_s = time_s - self.time_s
        if duration_s <= 0.0:
            return self._replace(arrived=arrived)
        rate = (arrived - self.arrived) / duration_s
        backlog, area, read = self.arrived - self.read, self.area, self.read
        # While there is a backlog, reading goes at its own speed; then as fast as tokens come.
        full_s = duration_s
        if rate < tokens_per_s:
            full_s = min(duration_s, backlog / (tokens_per_s - rate))
        for span_s, speed in ((full_s, tokens_per_s), (duration_s - full_s, rate)):
            area += read * span_s + speed * span_s * span_s / 2
            read += speed * span_s
        return Reading(time_s, arrived, min(read, arrived), area)

    def quality(self, expected: Expectation) -> float:
        """From 0 to 1; 1 while nothing is expected yet."""
        wanted = expected.area(self.time_s)
        return min(1.0, self.area / wanted) if wanted else 1.0
