"""Whether a run can be trusted: was the server in a steady state, and did the client keep up?"""

from math import sqrt
from statistics import fmean
from typing import NamedTuple

MOST_SAMPLES = 4096
LEAST_PER_QUARTER = 10
GROWTH = 0.1


class Growth(NamedTuple):
    """Requests outstanding on average in the third and in the last quarter of the time in which requests came."""

    third_quarter: float
    last_quarter: float

    @property
    def is_steady(self) -> bool:
        """Whether they did not grow by more than a tenth and more than chance would let them.

        By Little's law they grow where latencies do. Requests that come by chance to a server that keeps up vary
        with a standard deviation of about the root of their number; two of these, and one request, are allowed.
        """
        grown = self.last_quarter - self.third_quarter
        return grown <= max(GROWTH * self.third_quarter, 2 * sqrt(self.third_quarter), 1.0)


class OutstandingWatch:
    """How many requests are outstanding: meant to be sent by now, and not over.

    Noted at each arrival; of a long run every second, every fourth and so on, so that memory is bounded.
    """

    def __init__(self) -> None:
        self.now = 0
        self._samples: list[tuple[float, int]] = []
        self._num_arrivals, self._stride = 0, 1

    def begin(self, arrival_s: float) -> None:
        """A request was meant to be sent."""
        self.now += 1
        if self._num_arrivals % self._stride == 0:
            self._note(arrival_s)
        self._num_arrivals += 1

    def end(self) -> None:
        """One is over, however it ended."""
        self.now -= 1

    def _note(self, arrival_s: float) -> None:
        if len(self._samples) == MOST_SAMPLES:
            del self._samples[1::2]
            self._stride *= 2
        self._samples.append((arrival_s, self.now))

    def growth(self) -> Growth | None:
        """None where fewer than ten arrivals in either quarter tell nothing."""
        if not self._samples:
            return None
        begun_s, over_s = self._samples[0][0], self._samples[-1][0]
        middle_s, last_s = (begun_s + share * (over_s - begun_s) for share in (0.5, 0.75))
        third = [number for time_s, number in self._samples if middle_s <= time_s < last_s]
        last = [number for time_s, number in self._samples if time_s >= last_s]
        if min(len(third), len(last)) < LEAST_PER_QUARTER:
            return None
        return Growth(fmean(third), fmean(last))
