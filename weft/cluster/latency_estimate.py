"""How long a request takes that comes now, by a replica's own experience."""

from bisect import bisect_left, insort
from collections import deque
from statistics import median

from weft.contracts.events import Status
from weft.contracts.record import record

MOST_REMEMBERED = 128
"""Requests that ended last."""
MOST_AGE_S = 60.0
"""What is older says little of a replica whose speed changes. Ours; requests of language models take seconds, the
paper's some milliseconds."""


LEAST_COMPARED = 8
"""A median of fewer says more of their lengths than of the load. Ours."""


@record
class _Ended:
    """A request that came when `num_before` were in flight."""

    num_before: int
    latency_s: float
    ended_s: float


class LatencyEstimate:
    """The median time that recent requests took which came when about as many were in flight as are now (Wydrowski et
    al., Prequal, NSDI 2024, section 4): of those that met just this number and the numbers nearest to it, until they
    are 8. Only requests that came to their end count."""

    def __init__(self) -> None:
        self._arrived: dict[str, tuple[int, float]] = {}
        self._ended = deque[_Ended]()
        self._latencies_s: dict[int, deque[float]] = {}
        self._numbers: list[int] = []

    @property
    def num_in_flight(self) -> int:
        """Requests that came and have not ended."""
        return len(self._arrived)

    def note_arrived(self, request_id: str, now_s: float) -> None:
        """A request came."""
        self._arrived[request_id] = (len(self._arrived), now_s)

    def note_ended(self, request_id: str, status: Status, now_s: float) -> None:
        """It is over, in whatever way."""
        num_before, arrived_s = self._arrived.pop(request_id)
        if status is Status.FINISHED:
            if len(self._ended) == MOST_REMEMBERED:
                self._forget()
            ended = _Ended(num_before, now_s - arrived_s, now_s)
            self._ended.append(ended)
            if num_before not in self._latencies_s:
                self._latencies_s[num_before] = deque()
                insort(self._numbers, num_before)
            self._latencies_s[num_before].append(ended.latency_s)

    def latency_s(self, now_s: float) -> float | None:
        """Of a request that came now; None where none has ended lately."""
        while self._ended and self._ended[0].ended_s < now_s - MOST_AGE_S:
            self._forget()
        near = self._nearest(len(self._arrived))
        return median(near) if near else None

    def _nearest(self, number: int) -> list[float]:
        above = bisect_left(self._numbers, number)
        below, near = above - 1, list[float]()
        while len(near) < LEAST_COMPARED and len(near) < len(self._ended):
            if self._is_nearer_above(number, below, above):
                near += self._latencies_s[self._numbers[above]]
                above += 1
            else:
                near += self._latencies_s[self._numbers[below]]
                below -= 1
        return near

    def _is_nearer_above(self, number: int, below: int, above: int) -> bool:
        """The greater of two numbers as near comes first: it errs on the slow side."""
        if below < 0 or above == len(self._numbers):
            return below < 0
        return self._numbers[above] - number <= number - self._numbers[below]

    def _forget(self) -> None:
        """The oldest, which is also the oldest of its number."""
        number = self._ended.popleft().num_before
        same = self._latencies_s[number]
        same.popleft()
        if not same:
            del self._latencies_s[number]
            del self._numbers[bisect_left(self._numbers, number)]
