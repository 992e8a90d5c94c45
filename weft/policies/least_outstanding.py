"""The replica with the fewest requests under way."""

from collections.abc import Sequence

from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaView, RouteEvent, RoutePolicy


class LeastOutstanding(RoutePolicy):
    """The replica with the fewest requests that have not ended, the first of several: joining the shortest queue
    (Winston, Journal of Applied Probability 1977), by the router's own books."""

    def observe(self, event: RouteEvent) -> None:
        """The books say all that counts."""

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        return least_outstanding(replicas)


def least_outstanding(replicas: Sequence[ReplicaView]) -> int:
    """The index of the replica with the fewest requests under way, the first of several."""
    counts = [replica.num_outstanding for replica in replicas]
    return counts.index(min(counts))
