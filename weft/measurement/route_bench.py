"""What it costs to route a request."""

from itertools import count

from weft.cluster.books import OutputLengths, ReplicaBooks
from weft.contracts.events import Status
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request
from weft.contracts.routing import Probed, ReplicaJoined, Routed, RoutePolicy, Unrouted
from weft.measurement.decision_cost import REPEATS, DecisionCost, microseconds
from weft.policies.registry import make_route_policy

PROMPT_TOKENS = 1024
OUTSTANDING = 4
"""Requests at each replica."""
NUM_TENANTS = 8
REQUESTS_PER_S = 100.0


def route_costs(name: str, num_replicas: int) -> list[DecisionCost]:
    """With so many replicas: to choose one, and to learn of its end, for a prompt of 1024 tokens of a new session."""
    traffic = Traffic(make_route_policy(name), num_replicas)
    for _ in range(OUTSTANDING * num_replicas):
        traffic.route()
    return [DecisionCost("route", name, "a request", microseconds(traffic.turn_over))]


class Traffic:
    """Requests that come and go at a policy."""

    def __init__(self, policy: RoutePolicy, num_replicas: int) -> None:
        lengths, num_requests = OutputLengths(), OUTSTANDING * num_replicas + REPEATS
        self._policy = policy
        self._requests = [_request(number) for number in range(num_requests)]
        self._books = [ReplicaBooks(f"replica-{index}", lengths) for index in range(num_replicas)]
        self._now_s = 0.0
        self._numbers, self._under_way = count(), list[tuple[ReplicaBooks, Request]]()
        for books in self._books:
            policy.observe(ReplicaJoined(0.0, books.name))

    def turn_over(self) -> None:
        """One request comes, and the oldest ends."""
        self.route()
        books, request = self._under_way.pop(0)
        books.note_ended(request, Status.FINISHED, 64)
        self._policy.observe(Unrouted(self._now_s, request, books.name, Status.FINISHED, 64))

    def route(self) -> None:
        """One request comes; the next replicas in turn answer what the policy has probed."""
        number = next(self._numbers)
        request, self._now_s = self._requests[number], number / REQUESTS_PER_S
        books = self._books[self._policy.decide(request, self._books, self._now_s)]
        books.note_routed(request)
        self._under_way.append((books, request))
        self._policy.observe(Routed(self._now_s, request, books.name))
        for probe in range(round(self._policy.num_probes)):
            asked = self._books[(number + probe) % len(self._books)]
            self._policy.observe(Probed(self._now_s, asked.name, asked.num_outstanding, 1.0))


def _request(number: int) -> Request:
    prompt = TokenPrompt(tuple(range(number, number + PROMPT_TOKENS)))
    return Request(f"r{number}", prompt, tenant=f"tenant-{number % NUM_TENANTS}", session=f"session-{number}")
