"""What goes wrong in a world of the campaign, and what is done to its cluster meanwhile, as data.

Times are seconds of virtual time; `until_s` None: for ever. Replicas and nodes are numbers; node -1 is that of the
router, which stays well.
"""

from dataclasses import dataclass
from typing import Literal

End = Literal["crashes", "reclaims"]
Mishap = Literal["loss", "duplication", "delay", "breaking"]

FRONT = -1
"""The router's node."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A replica is gone; the cluster is told so at once, or hears nothing any more."""

    replica: int
    at_s: float
    told: bool = False


@dataclass(frozen=True, slots=True)
class NodeCrash:
    """A node is gone with all on it, and may come back."""

    node: int
    at_s: float
    told: bool = False


@dataclass(frozen=True, slots=True)
class NodeReclaim:
    """A node is taken away after a notice, upon which its replicas are drained."""

    node: int
    at_s: float


@dataclass(frozen=True, slots=True)
class FailureClock:
    """Nodes live for a while drawn by chance, again and again."""

    ends: End
    mean_s: float
    shape: float = 1.0
    told: bool = False


@dataclass(frozen=True, slots=True)
class StartFailures:
    """Starts of a replica fail with a chance."""

    replica: int
    chance: float
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class HangingStart:
    """Starts of a replica do not end before `until_s`."""

    replica: int
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Slow:
    """Steps of a replica take `factor` times as long."""

    replica: int
    factor: float
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Wedge:
    """A replica's executor returns no step, while its heart beats on."""

    replica: int
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class StepFailures:
    """Steps of a replica fail with a chance."""

    replica: int
    chance: float
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class SwapFailures:
    """Transfers between a replica's device and its host memory fail with a chance."""

    replica: int
    chance: float
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class EngineFault:
    """Calls of a fault point in the engines, of all replicas, fail with a chance."""

    point: str
    chance: float


@dataclass(frozen=True, slots=True)
class MessageChance:
    """What may befall each message between nodes, or (breaking) each transfer."""

    what: Mishap
    chance: float
    most_delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Partition:
    """Nothing goes from a node to another; None stands for any."""

    source: int | None
    target: int | None
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class SlowLinks:
    """The links of a node have `factor` times the latency, and that part of their bandwidth."""

    node: int
    factor: float
    from_s: float = 0.0
    until_s: float | None = None


Babble = Literal[
    "no message",
    "unknown message",
    "no news",
    "cancels",
    "gap",
    "no such output",
    "early end",
    "second hello",
    "acknowledges the future",
]


@dataclass(frozen=True, slots=True)
class Garbage:
    """A replica says what cannot be, once."""

    replica: int
    babble: Babble
    at_s: float


@dataclass(frozen=True, slots=True)
class StaleTelemetry:
    """Heartbeats of a replica are late by so much, one after the other."""

    replica: int
    late_s: float
    from_s: float = 0.0
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class LateKills:
    """What is killed or stopped goes on for so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Restart:
    """Not a fault: all replicas are restarted, one after the other."""

    at_s: float
    drain_s: float


@dataclass(frozen=True, slots=True)
class DrainOne:
    """Not a fault: a replica is drained."""

    replica: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Movement:
    """Not a fault: bytes go from a replica to another, as state will."""

    source: int
    target: int
    at_s: float
    num_bytes: int


Fault = (
    Crash
    | NodeCrash
    | NodeReclaim
    | FailureClock
    | StartFailures
    | HangingStart
    | Slow
    | Wedge
    | StepFailures
    | SwapFailures
    | EngineFault
    | MessageChance
    | Partition
    | SlowLinks
    | Garbage
    | StaleTelemetry
    | LateKills
)
Operation = Restart | DrainOne | Movement

ReplicaFault = Slow | Wedge | StepFailures | SwapFailures | StartFailures | HangingStart | StaleTelemetry
"""Those that last at one replica."""
