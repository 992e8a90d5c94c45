"""The replica that had the session's last request."""

from collections.abc import Sequence
from hashlib import sha256

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Request
from weft.contracts.routing import ReplicaJoined, ReplicaLeft, ReplicaView, Routed, RouteEvent, RoutePolicy
from weft.policies.load_bound import FREE_REQUESTS, LOAD_BOUND, LoadBound
from weft.policies.replica_stays import ReplicaStays

MOST_SESSIONS = 1 << 16

Session = tuple[str, str]
"""Tenant and name: two tenants' sessions are never the same."""


class SessionAffinity(RoutePolicy):
    """The replica that had the session's last request, where the conversation so far is cached, unless it has more than
    its share to do (`LoadBound`). A session that is new, or was forgotten, or whose replica is full or has left, goes
    to the replica with the highest of the weights that its name has with the names of all (rendezvous hashing; Thaler
    and Ravishankar, Using Name-Based Mappings to Increase Hit Rates, IEEE/ACM ToN 1998): routers that know nothing of
    each other choose alike, and when a replica leaves only its own sessions move. A request without a session goes to
    the replica with the fewest under way. The `most_sessions` that were heard of last are remembered.
    """

    def __init__(
        self,
        most_sessions: int = MOST_SESSIONS,
        load_bound: float = LOAD_BOUND,
        free_requests: int = FREE_REQUESTS,
    ) -> None:
        if most_sessions < 0:
            raise ConfigurationError(
                f"session_affinity: most_sessions is {most_sessions}; it must be 0 or more"
            )
        self._most_sessions = most_sessions
        self._bound = LoadBound("session_affinity", load_bound, free_requests)
        self._stays = ReplicaStays()
        self._last: dict[Session, int] = {}

    @property
    def num_sessions(self) -> int:
        """That it remembers."""
        return len(self._last)

    def observe(self, event: RouteEvent) -> None:
        if isinstance(event, Routed):
            if event.request.session is not None:
                self._remember((event.request.tenant, event.request.session), event.replica)
        elif isinstance(event, ReplicaJoined | ReplicaLeft):
            self._stays.on_change(event)

    def _remember(self, session: Session, replica: str) -> None:
        self._last.pop(session, None)
        self._last[session] = self._stays.begun(replica)
        while len(self._last) > self._most_sessions:
            del self._last[next(iter(self._last))]

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        allowed = self._bound.within(replicas)
        if request.session is None:
            return min(allowed, key=lambda index: replicas[index].num_outstanding)
        session = (request.tenant, request.session)
        last = self._last.get(session)
        if last is not None:
            for index in allowed:
                if self._stays.known(replicas[index].name) == last:
                    return index
        key = repr(session).encode()
        return max(allowed, key=lambda index: sha256(key + replicas[index].name.encode()).digest())
