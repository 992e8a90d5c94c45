"""Replicas that were asked a moment ago: of those that are not full, the one that answers fastest."""

from collections.abc import Sequence
from math import inf

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Request
from weft.contracts.routing import (
    Probed,
    ReplicaJoined,
    ReplicaLeft,
    ReplicaView,
    Routed,
    RouteEvent,
    RoutePolicy,
)
from weft.policies.power_of_two import least_of_some
from weft.policies.probe_pool import Probe, ProbePool, RecentLoads, best

POOL_SIZE = 16
"""More gains little (section 4)."""
PROBES_PER_REQUEST = 3.0
REMOVED_PER_REQUEST = 1.0
MOST_AGE_S = 1.0
HOT_QUANTILE = 0.84
"""These four are the baseline of the paper's experiments (section 5; the last as 2 to the power of -1/4)."""
NET_GROWTH = 1.0
"""delta of its equation 1, which says how often a probe may be used (section 4; 1 in section 5)."""
LEAST_PROBES = 2
"""With fewer in the pool chance decides (section 4)."""


class Prequal(RoutePolicy):
    """Prequal (Wydrowski et al., Load is not what you should balance: Introducing Prequal, NSDI 2024). For each request
    `probes` replicas, picked by chance, are asked how many requests they have and how long these take; the answers go
    to a pool from which later requests are placed, so nothing waits for them. A replica is hot where it has more in
    flight than the quantile `hot_quantile` of recent answers. The request goes to the cold replica with the least
    latency, or, where all are hot, to the one with the fewest in flight.

    The pool holds 16 answers, the newest of each replica. One is dropped when it is older than `most_age_s`, or when it
    has placed as many requests as equation 1 allows, which keeps the pool from running dry; and with every request
    `removed` are dropped, by turns the worst and the oldest, since what is not chosen stays behind. A request that is
    sent to a replica counts in its answer at once. Where fewer than 2 answers are there, the less loaded of two random
    replicas by the router's books takes the request; the paper's clients, who know only their own requests, take a
    random one. Probes are made only with requests: where less than one per second comes, raise `most_age_s`.
    """

    def __init__(
        self,
        probes: float = PROBES_PER_REQUEST,
        removed: float = REMOVED_PER_REQUEST,
        hot_quantile: float = HOT_QUANTILE,
        most_age_s: float = MOST_AGE_S,
        seed: int = 0,
    ) -> None:
        _check("probes", probes, 0.0, inf)
        _check("removed", removed, 0.0, inf)
        _check("hot_quantile", hot_quantile, 0.0, 1.0)
        _check("most_age_s", most_age_s, 0.0, inf)
        self.num_probes = probes
        self._removed, self._hot_quantile, self._most_age_s = removed, hot_quantile, most_age_s
        self._seed = seed
        self._pool, self._loads = ProbePool(POOL_SIZE), RecentLoads()
        self._replicas: dict[str, None] = {}
        self._num_routed, self._due_removals, self._due_uses = 0, 0.0, 0.0

    def observe(self, event: RouteEvent) -> None:
        match event:
            case Routed():
                self._on_routed(event)
            case Probed():
                self._loads.add(event.num_in_flight)
                self._pool.add(Probe(event, self._next_uses()))
            case ReplicaJoined():
                self._replicas[event.replica] = None
            case ReplicaLeft():
                self._replicas.pop(event.replica, None)
                self._pool.drop(event.replica)

    def _on_routed(self, event: Routed) -> None:
        self._num_routed += 1
        self._pool.drop_old(event.time_s - self._most_age_s)
        self._pool.use(event.replica)
        self._due_removals += self._removed
        while self._due_removals >= 1.0:
            self._due_removals -= 1.0
            self._pool.thin_out(self._limit)

    @property
    def _limit(self) -> float:
        """Requests in flight above which a replica is hot."""
        return self._loads.quantile(self._hot_quantile)

    def _next_uses(self) -> float:
        """Whole numbers, or no limit, that come to what equation 1 says on the average."""
        uses = self._mean_uses
        if uses == inf:
            return inf
        self._due_uses += uses
        whole = int(self._due_uses)
        self._due_uses -= whole
        return whole

    @property
    def _mean_uses(self) -> float:
        """Equation 1: how often an answer may be used; there is no limit where answers do not come faster than they are
        removed. With fewer replicas than places in the pool, no more answers are there than replicas."""
        places = min(POOL_SIZE, len(self._replicas))
        is_new = 1.0 - places / len(self._replicas) if self._replicas else 1.0
        growth = is_new * self.num_probes - self._removed
        return max(1.0, (1.0 + NET_GROWTH) / growth) if growth > 0.0 else inf

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        indices = {replica.name: index for index, replica in enumerate(replicas)}
        probes = [each for each in self._pool.young(now_s - self._most_age_s) if each.replica in indices]
        if len(probes) < min(LEAST_PROBES, len(replicas)):
            return least_of_some(replicas, 2, self._seed, self._num_routed)
        return indices[best(probes, self._limit).replica]


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most or value == inf:
        bound = "0 or more, and finite" if most == inf else f"from {least:g} to {most:g}"
        raise ConfigurationError(f"prequal: {name} is {value}; it must be {bound}")
