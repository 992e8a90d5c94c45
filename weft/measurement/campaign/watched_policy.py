"""A routing policy that is listened to."""

from collections.abc import Callable, Sequence
from dataclasses import fields

from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, RouteEvent, RoutePolicy


class WatchedPolicy(RoutePolicy):
    """Another policy; `heard` is told what that is told, before it."""

    def __init__(self, policy: RoutePolicy, heard: Callable[[RouteEvent], object]) -> None:
        self._policy, self._heard, self.num_probes = policy, heard, policy.num_probes

    def observe(self, event: RouteEvent) -> None:
        self._heard(event)
        self._policy.observe(event)

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        return self._policy.decide(request, replicas, now_s)


def without_request(event: RouteEvent) -> tuple[object, ...]:
    """An event with ids in place of requests."""
    values = (getattr(event, each.name) for each in fields(event))
    return (
        type(event).__name__,
        *(each.request_id if isinstance(each, Request) else each for each in values),
    )
