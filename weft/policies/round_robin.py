"""One replica after the other."""

from collections.abc import Sequence

from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, Routed, RouteEvent, RoutePolicy


class RoundRobin(RoutePolicy):
    """One replica after the other, whatever they have to do: equal numbers of requests, not equal work."""

    def __init__(self) -> None:
        self._num_routed = 0

    def observe(self, event: RouteEvent) -> None:
        if type(event) is Routed:
            self._num_routed += 1

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        return self._num_routed % len(replicas)
