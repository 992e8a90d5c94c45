"""The router of a simulated service: books, policy and probes, without a wire between them."""

from collections.abc import Sequence

from weft.cluster.books import OutputLengths, ReplicaBooks
from weft.cluster.latency_estimate import LatencyEstimate
from weft.contracts.events import Status
from weft.contracts.requests import Request
from weft.contracts.routing import Probed, ReplicaJoined, Routed, Unrouted
from weft.policies.draws import draw_distinct
from weft.policies.registry import PolicyChoice, make_route_policy


class SimulatedRouter:
    """Chooses among so many replicas, by their index. Each is there from the beginning to the end; probes are answered
    at once. `seed`: of which replicas are probed."""

    def __init__(self, policy: PolicyChoice, num_replicas: int, now_s: float, seed: int) -> None:
        lengths = OutputLengths()
        self._books = [ReplicaBooks(f"replica-{index}", lengths) for index in range(num_replicas)]
        self._policy = make_route_policy(policy)
        self._prober = (
            Prober(num_replicas, self._policy.num_probes, seed) if self._policy.num_probes else None
        )
        for books in self._books:
            self._policy.observe(ReplicaJoined(now_s, books.name))

    def route(self, request: Request, now_s: float) -> int:
        """The replica that takes a request from now on."""
        chosen = self._policy.decide(request, self._books, now_s)
        books = self._books[chosen]
        books.note_routed(request)
        self._policy.observe(Routed(now_s, request, books.name))
        if self._prober is not None:
            self._prober.note_arrived(chosen, request, now_s)
            for index in self._prober.next_targets():
                num_in_flight, latency_s = self._prober.answer(index, now_s)
                self._policy.observe(Probed(now_s, self._books[index].name, num_in_flight, latency_s))
        return chosen

    def note_ended(
        self, index: int, request: Request, status: Status, output_tokens: int, now_s: float
    ) -> None:
        """A replica is done with a request."""
        books = self._books[index]
        books.note_ended(request, status, output_tokens)
        if self._prober is not None:
            self._prober.note_ended(index, request, status, now_s)
        self._policy.observe(Unrouted(now_s, request, books.name, status, output_tokens))


class Prober:
    """Picks replicas to be probed, `per_request` for each request on the average, and answers in their place."""

    def __init__(self, num_replicas: int, per_request: float, seed: int) -> None:
        self._estimates = [LatencyEstimate() for _ in range(num_replicas)]
        self._per_request, self._seed = per_request, seed
        self._due, self._turn = 0.0, 0

    def note_arrived(self, index: int, request: Request, now_s: float) -> None:
        """A replica was given a request."""
        self._estimates[index].note_arrived(request.request_id, now_s)

    def note_ended(self, index: int, request: Request, status: Status, now_s: float) -> None:
        """It is done with it."""
        self._estimates[index].note_ended(request.request_id, status, now_s)

    def next_targets(self) -> Sequence[int]:
        """Those to be probed with the next request."""
        self._due += self._per_request
        count = int(self._due)
        self._due -= count
        self._turn += 1
        return draw_distinct(self._seed, self._turn, count, len(self._estimates))

    def answer(self, index: int, now_s: float) -> tuple[int, float | None]:
        """Requests that a replica has, and how long one takes that comes now."""
        estimate = self._estimates[index]
        return estimate.num_in_flight, estimate.latency_s(now_s)
