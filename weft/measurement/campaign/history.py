"""What a router did, as its policy was told."""

from weft.cluster.retry_budget import EXHAUSTED
from weft.contracts.routing import ReplicaJoined, Routed, RouteEvent, Unrouted

Moves = list[Routed | Unrouted]
"""Of one request: to which replica it went, and how it left it."""


class History:
    """`joined_s`: when replicas came up."""

    def __init__(self) -> None:
        self.joined_s: list[float] = []
        self._moves: dict[str, Moves] = {}
        self._num_exhausted = EXHAUSTED.hits

    def begin(self, request_id: str) -> Moves:
        """A request of that id will be asked; what is noted of the id from now on is of this one."""
        self._moves[request_id] = []
        return self._moves[request_id]

    def note(self, event: RouteEvent) -> None:
        """Something happened."""
        if isinstance(event, Routed | Unrouted):
            self._moves[event.request.request_id].append(event)
        elif isinstance(event, ReplicaJoined):
            self.joined_s.append(event.time_s)

    @property
    def is_exhausted(self) -> bool:
        """Whether the budget for retries was, since this began."""
        return EXHAUSTED.hits > self._num_exhausted
