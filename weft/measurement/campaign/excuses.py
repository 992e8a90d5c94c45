"""What a router did with each request, and whether that excuses a failure."""

from weft.cluster.retry_budget import EXHAUSTED, MOST_ATTEMPTS
from weft.contracts.events import Status
from weft.contracts.routing import ReplicaJoined, Routed, RouteEvent, Unrouted
from weft.measurement.campaign.client import Visit
from weft.measurement.campaign.settling import settled_s
from weft.measurement.campaign.suspects import may_fail
from weft.measurement.campaign.world import World

NEVER_FITS = "shorten the prompt or lower max_tokens"
"""What an engine says to a request that it could never serve."""


class History:
    """What a routing policy was told. `joined_s`: when replicas came up."""

    def __init__(self) -> None:
        self.joined_s: list[float] = []
        self._moves: dict[str, list[Routed | Unrouted]] = {}
        self._num_exhausted = EXHAUSTED.hits

    def note(self, event: RouteEvent) -> None:
        """Something happened."""
        if isinstance(event, Routed | Unrouted):
            self._moves.setdefault(event.request.request_id, []).append(event)
        elif isinstance(event, ReplicaJoined):
            self.joined_s.append(event.time_s)

    def of(self, visit: Visit) -> list[Routed | Unrouted]:
        """What was done with a visit's request, and not with another of its id before."""
        return [
            each for each in self._moves.get(visit.request.request_id, []) if each.time_s >= visit.asked_s
        ]

    def told(self, visit: Visit) -> str:
        """The same in words."""
        moves = self.of(visit)
        return ", ".join(f"{type(each).__name__} {each.replica} at {each.time_s:.6f} s" for each in moves)

    @property
    def is_exhausted(self) -> bool:
        """Whether the budget for retries was, since this began."""
        return EXHAUSTED.hits > self._num_exhausted


def unexcused(world: World, visit: Visit, history: History) -> str:
    """Why a request that failed should not have; empty where it had a reason to."""
    assert visit.end is not None
    if visit.asked_s >= settled_s(world) and world.mode == "safety":
        return "it came when all was well"
    reason, parted = visit.end.reason, [each for each in history.of(visit) if isinstance(each, Unrouted)]
    num_failed = sum(each.status is Status.FAILED for each in parted)
    if "replicas were lost with it" in reason:
        return "" if num_failed >= MOST_ATTEMPTS else f"{num_failed} were"
    if "no replica took it" in reason:
        return _is_impatient(world, visit.end.time_s, parted[-1].time_s, history)
    if NEVER_FITS in reason and len(parted) > 1:
        return ""  # it was lost before it could be told so
    if not any(each.replica in may_fail(world) for each in parted):
        return "nothing failed where it was"
    if num_failed < MOST_ATTEMPTS and not history.is_exhausted and parted[-1].status is Status.FAILED:
        return f"it was tried {num_failed} times, and retries were left"
    return ""


def _is_impatient(world: World, end_s: float, since_s: float, history: History) -> str:
    """A replica that came up would have taken it at once."""
    if end_s - since_s < world.timing.patience_s:
        return f"it waited from {since_s} s"
    missed = [each for each in history.joined_s if since_s < each < end_s]
    return f"a replica came up at {missed[0]} s" if missed else ""
