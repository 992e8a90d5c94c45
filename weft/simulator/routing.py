"""Which replica takes a request."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Protocol

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Request


class ReplicaView(Protocol):
    """What a router sees of a replica."""

    @property
    def num_outstanding(self) -> int:
        """Requests that it was given and that have not ended."""


class Router(Protocol):
    """Chooses among replicas, in a fixed order; its choice does not depend on anything but what it has seen."""

    def choose(self, request: Request, replicas: Sequence[ReplicaView]) -> int:
        """The index of the replica that takes the request."""


class RoundRobin:
    """One after the other."""

    def __init__(self) -> None:
        self._next = 0

    def choose(self, request: Request, replicas: Sequence[ReplicaView]) -> int:
        chosen = self._next % len(replicas)
        self._next = chosen + 1
        return chosen


class LeastOutstanding:
    """The one with the fewest requests under way, the first of several."""

    def choose(self, request: Request, replicas: Sequence[ReplicaView]) -> int:
        counts = [replica.num_outstanding for replica in replicas]
        return counts.index(min(counts))


ROUTERS: dict[str, Callable[[], Router]] = {
    "round_robin": RoundRobin,
    "least_outstanding": LeastOutstanding,
}
"""By the name that users give."""


def make_router(name: str) -> Router:
    """The router of that name; raises `ConfigurationError` for an unknown one, with the nearest."""
    if name not in ROUTERS:
        nearest = get_close_matches(name, ROUTERS, n=1)
        advice = f"did you mean {nearest[0]!r}?" if nearest else f"choose from {', '.join(ROUTERS)}"
        raise ConfigurationError(f"router {name!r} is unknown; {advice}")
    return ROUTERS[name]()
