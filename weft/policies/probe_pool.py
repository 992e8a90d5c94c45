"""Answers of replicas to probes, kept for a while and used more than once."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from math import inf

from weft.contracts.routing import Probed

MOST_LOADS = 128
"""Of which the quantile is taken: newest ones. Ours; the paper says only that they are recent (section 4)."""


class Probe:
    """What a replica told at `time_s`. `num_in_flight` grows with what the router sends there meanwhile. `uses`: that
    it may still be put to."""

    __slots__ = ("latency_s", "num_in_flight", "replica", "time_s", "uses")

    def __init__(self, answer: Probed, uses: float) -> None:
        self.time_s, self.replica, self.num_in_flight = answer.time_s, answer.replica, answer.num_in_flight
        # Who has no experience yet is to get some; the limit on requests in flight keeps that from being too much.
        self.latency_s = 0.0 if answer.latency_s is None else answer.latency_s
        self.uses = uses


class RecentLoads:
    """Requests in flight that the newest answers told of, whichever replica's they were."""

    def __init__(self) -> None:
        self._newest = deque[int]()
        self._sorted: list[int] = []

    def add(self, num_in_flight: int) -> None:
        """One more answer."""
        if len(self._newest) == MOST_LOADS:
            del self._sorted[bisect_left(self._sorted, self._newest.popleft())]
        self._newest.append(num_in_flight)
        insort(self._sorted, num_in_flight)

    def quantile(self, share: float) -> float:
        """So many that `share` of the answers told of no more; with all of them, there is no limit."""
        index = int(share * len(self._sorted))
        return self._sorted[index] if index < len(self._sorted) else inf


class ProbePool:
    """At most `size` answers, the newest of each replica, in order of their age."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._probes: dict[str, Probe] = {}
        self._takes_worst = True

    def __len__(self) -> int:
        return len(self._probes)

    def add(self, probe: Probe) -> None:
        """In place of an older one of the same replica, or of the oldest where there is no room."""
        self._probes.pop(probe.replica, None)
        if len(self._probes) == self._size:
            self._remove_oldest()
        self._probes[probe.replica] = probe

    def young(self, since_s: float) -> list[Probe]:
        """Those not older than that."""
        return [probe for probe in self._probes.values() if probe.time_s >= since_s]

    def drop(self, replica: str) -> None:
        """Forget what a replica told."""
        self._probes.pop(replica, None)

    def drop_old(self, since_s: float) -> None:
        """Forget what is older than that."""
        while self._probes and next(iter(self._probes.values())).time_s < since_s:
            self._remove_oldest()

    def use(self, replica: str) -> None:
        """A request was sent to a replica: it has one more, and its answer may place one less."""
        if (probe := self._probes.get(replica)) is not None:
            probe.num_in_flight += 1
            probe.uses -= 1
            if not probe.uses:
                del self._probes[replica]

    def thin_out(self, limit: float) -> None:
        """Remove one, by turns the worst and the oldest."""
        if self._probes:
            if self._takes_worst:
                del self._probes[worst(self._probes.values(), limit).replica]
            else:
                self._remove_oldest()
            self._takes_worst = not self._takes_worst

    def _remove_oldest(self) -> None:
        del self._probes[next(iter(self._probes))]


def best(probes: Sequence[Probe], limit: float) -> Probe:
    """Of those with no more than `limit` in flight the one with the least latency; where there is none, the one with
    the fewest in flight."""
    cold = [probe for probe in probes if probe.num_in_flight <= limit]
    if cold:
        return min(cold, key=lambda probe: (probe.latency_s, probe.num_in_flight))
    return min(probes, key=lambda probe: (probe.num_in_flight, probe.latency_s))


def worst(probes: Iterable[Probe], limit: float) -> Probe:
    """`best` the other way round: the most in flight where that is above `limit`, else the longest latency."""
    known = list(probes)
    fullest = max(known, key=lambda probe: (probe.num_in_flight, probe.latency_s))
    if fullest.num_in_flight > limit:
        return fullest
    return max(known, key=lambda probe: (probe.latency_s, probe.num_in_flight))
