"""Requests that come and go at a routing policy, and the books of the router around it."""

from dataclasses import dataclass, field
from typing import Any

from weft.cluster.books import OutputLengths, ReplicaBooks
from weft.contracts.events import Status
from weft.contracts.prompts import LengthPrompt, Prompt
from weft.contracts.requests import Request
from weft.contracts.routing import Probed, ReplicaJoined, ReplicaLeft, Routed, RoutePolicy, Unrouted
from weft.policies.registry import make_route_policy


def request(name: str, tokens: int = 10, *, prompt: Prompt | None = None, **fields: Any) -> Request:
    return Request(name, LengthPrompt(tokens) if prompt is None else prompt, **fields)


@dataclass
class Traffic:
    """A policy and replicas, `a`, `b` and so on, in that order."""

    policy: RoutePolicy
    names: list[str]
    now_s: float = 0.0
    books: dict[str, ReplicaBooks] = field(default_factory=dict)
    under_way: dict[str, tuple[str, Request]] = field(default_factory=dict)
    num_requests: int = 0

    def __post_init__(self) -> None:
        lengths = OutputLengths()
        self.books = {name: ReplicaBooks(name, lengths) for name in self.names}
        for name in self.names:
            self.policy.observe(ReplicaJoined(self.now_s, name))

    @property
    def counts(self) -> list[int]:
        return [self.books[name].num_outstanding for name in self.names]

    def choose(self, asked: Request) -> str:
        offered = [self.books[name] for name in self.names]
        return self.names[self.policy.decide(asked, offered, self.now_s)]

    def send(self, asked: Request | None = None) -> str:
        """Route a request; the name of its replica."""
        self.num_requests += 1
        asked = request(f"r{self.num_requests}") if asked is None else asked
        chosen = self.choose(asked)
        self.place(chosen, asked)
        return chosen

    def place(self, name: str, asked: Request) -> None:
        """As if the policy had chosen so."""
        self.books[name].note_routed(asked)
        self.under_way[asked.request_id] = (name, asked)
        self.policy.observe(Routed(self.now_s, asked, name))

    def end(self, request_id: str, output_tokens: int = 5, status: Status = Status.FINISHED) -> None:
        name, asked = self.under_way.pop(request_id)
        self.books[name].note_ended(asked, status, output_tokens)
        self.policy.observe(Unrouted(self.now_s, asked, name, status, output_tokens))

    def fill(self, **counts: int) -> None:
        """Give replicas so many requests, and the policy no say."""
        for name, count in counts.items():
            for index in range(count):
                self.place(name, request(f"{name}{index}", tenant="filler"))

    def answer(self, name: str, num_in_flight: int, latency_s: float | None) -> None:
        """To a probe."""
        self.policy.observe(Probed(self.now_s, name, num_in_flight, latency_s))

    def leave(self, name: str) -> None:
        self.names.remove(name)
        self.policy.observe(ReplicaLeft(self.now_s, name))

    def join(self, name: str) -> None:
        self.names.append(name)
        self.names.sort()
        self.policy.observe(ReplicaJoined(self.now_s, name))


def traffic(choice: str, names: str = "abc") -> Traffic:
    return Traffic(make_route_policy(choice), list(names))
