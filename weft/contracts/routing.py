"""Which replica takes a request: what a routing policy sees, and what it is told.

A policy decides by what the router knows: its own books, which are exact, and what replicas have told of themselves,
which is as old as it says. It never sees a replica's engine, nor how long an output will be.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from weft.contracts.events import Status
from weft.contracts.record import record
from weft.contracts.requests import Request


class LoadReport(NamedTuple):
    """What a replica tells of itself with each heartbeat.

    `num_steps`: that its engine has ended since it began; a replica that has work and does not get on is not well.
    `num_running`, `num_waiting`: sequences; those whose state moves wait, too. `used_blocks` of `num_blocks`: on the
    device.
    """

    num_steps: int
    num_running: int
    num_waiting: int
    used_blocks: int
    num_blocks: int


class ReplicaView(Protocol):
    """What a router sees of a replica that takes requests.

    `name`: its own, also after it was started anew. `num_outstanding`, `outstanding_tokens`: requests that it was given
    and that have not ended, and an estimate of their work (prompts, and outputs of the mean length seen so far).
    `report`: what it told last, at `reported_s` on the router's clock; None before the first.
    """

    @property
    def name(self) -> str: ...
    @property
    def num_outstanding(self) -> int: ...
    @property
    def outstanding_tokens(self) -> float: ...
    @property
    def report(self) -> LoadReport | None: ...
    @property
    def reported_s(self) -> float: ...


@record
class Routed:
    """A request was sent to a replica; once more, where the one that had it before was lost."""

    time_s: float
    request: Request
    replica: str


@record
class Unrouted:
    """A replica is done with a request, in whatever way: it `output_tokens`, of all samples, there and before."""

    time_s: float
    request: Request
    replica: str
    status: Status
    output_tokens: int


@record
class Probed:
    """A replica has answered a probe: requests that it has, and how long, by its own experience, one takes that comes
    when it has so many; None: it has none yet."""

    time_s: float
    replica: str
    num_in_flight: int
    latency_s: float | None


@record
class ReplicaJoined:
    """A replica takes requests from now on; its cache is empty."""

    time_s: float
    replica: str


@record
class ReplicaLeft:
    """A replica takes no more requests: it was lost, or is to stop."""

    time_s: float
    replica: str


RouteEvent = Routed | Unrouted | Probed | ReplicaJoined | ReplicaLeft


class RoutePolicy(Protocol):
    """Chooses among replicas. Deterministic: state changes only in `observe`, which hears of every `RouteEvent`, and
    `decide` changes nothing. One that needs randomness takes a `seed`, and draws by what it has observed."""

    num_probes: float = 0.0
    """Replicas to be probed for each request that is routed, on the average. The router picks them by chance, no two
    alike, and asks after it has sent the request."""

    def observe(self, event: RouteEvent) -> None:
        """Learn what happened."""

    def decide(self, request: Request, replicas: Sequence[ReplicaView], now_s: float) -> int:
        """The index in `replicas` of the one that takes the request: those that may take it, never none, always in the
        same order."""
