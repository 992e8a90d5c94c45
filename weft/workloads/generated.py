"""Workloads that are drawn, not recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from weft.workloads.arrivals import Arrivals
from weft.workloads.checks import check_at_least
from weft.workloads.lengths import PairedLengths
from weft.workloads.sessions import Session
from weft.workloads.shapes import LazyTurns, SessionShape
from weft.workloads.streams import named_stream


@dataclass(frozen=True, slots=True)
class GeneratedWorkload:
    """An open loop without end: sessions arrive whether or not earlier ones are done.

    The same `seed` gives the same sessions on every machine. `arrivals` and `shape` draw from streams of
    their own, so that two rates see the same requests. A rate counts requests; sessions arrive that much
    slower as they have turns. `delay_s` of turns is not changed by the rate.
    """

    name: str
    arrivals: Arrivals
    shape: SessionShape
    seed: int = 0

    @property
    def rate_per_s(self) -> float:
        return self.arrivals.rate_per_s * self.shape.mean_turns

    def at_rate(self, rate_per_s: float) -> "GeneratedWorkload":
        """The same requests in the same pattern, at another average rate of requests."""
        return replace(self, arrivals=self.arrivals.at_rate(rate_per_s / self.shape.mean_turns))

    def sessions(self) -> Iterator[Session]:
        draw, random = self.shape.draw, named_stream(self.seed, "sessions")
        for number, arrival_s in zip(count(), self.arrivals.times_s(self.seed), strict=False):
            visit = draw(number, random)
            yield Session(number, arrival_s, visit.turns, visit.client)


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """`num_clients` that each send a request as soon as the one before is answered, `num_requests` in all."""

    name: str
    lengths: PairedLengths
    num_clients: int
    num_requests: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least("the number of clients", self.num_clients, 1)
        check_at_least("the number of requests", self.num_requests, self.num_clients)

    def sessions(self) -> Iterator[Session]:
        each, more = divmod(self.num_requests, self.num_clients)
        for client in range(self.num_clients):
            turns = LazyTurns(self.lengths, self.seed, client, each + (client < more))
            yield Session(client, 0.0, turns)
