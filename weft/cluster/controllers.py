"""What decides how many replicas run and which: policies over a view of the cluster, with actions as answers.

A controller changes nothing itself and keeps no clock. `Cluster` asks all of them once per heartbeat, in their order.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from weft.cluster.member import Phase
from weft.cluster.timing import Timing

SETTLED_S = 60.0
"""A replica that has been up for so long has got over its losses."""


class ReplicaState(NamedTuple):
    """`since_s`: when it came into this phase. `num_losses`: in a row, without having been up for a minute."""

    name: str
    phase: Phase
    since_s: float
    num_requests: int
    num_losses: int


class Start(NamedTuple):
    """A replica that is down is to be started."""

    name: str


class Drain(NamedTuple):
    """A replica is to take no more requests, end those that it has, and go down."""

    name: str


class Kill(NamedTuple):
    """A replica is to go down at once; its requests go on elsewhere."""

    name: str
    reason: str


Action = Start | Drain | Kill


class Controller(Protocol):
    """See the module's text."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left for it to do, ever."""
        return False

    def decide(self, view: Sequence[ReplicaState], now_s: float) -> Iterable[Action]:
        """What is to be done now; what is under way already need not be said again."""


class KeepUp(Controller):
    """All replicas run; one that was lost is started anew, after a pause that doubles with each loss in a row."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing

    def decide(self, view: Sequence[ReplicaState], now_s: float) -> Iterable[Action]:
        return [
            Start(state.name)
            for state in view
            if state.phase is Phase.DOWN and now_s >= state.since_s + self._pause_s(state.num_losses)
        ]

    def _pause_s(self, num_losses: int) -> float:
        """A first start, and one after a drain, need none."""
        if not num_losses:
            return 0.0
        return min(self._timing.restart_s * 2.0 ** min(num_losses - 1, 30), self._timing.most_restart_s)


DRAINED_LATE = "it has drained for"
"""How the reason begins for which a replica is killed that does not get done."""


class RollingRestart(Controller):
    """Restarts one replica after the other, each once the one before is up again; `KeepUp` starts them.

    One that has not ended its requests after `drain_s` is killed: they go on elsewhere from their tokens.
    """

    def __init__(self, names: Iterable[str], drain_s: float) -> None:
        self._left = list(names)
        self._drain_s = drain_s
        self._begun_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether all have been restarted."""
        return not self._left

    def decide(self, view: Sequence[ReplicaState], now_s: float) -> Iterable[Action]:
        states = {state.name: state for state in view}
        while self._left and self._is_back(states[self._left[0]]):
            self._left.pop(0)
            self._begun_s = None
        if not self._left:
            return ()
        state = states[self._left[0]]
        if state.phase is Phase.DRAINING:
            is_late = now_s - state.since_s >= self._drain_s
            self._begun_s = state.since_s
            return (Kill(state.name, f"{DRAINED_LATE} {self._drain_s:g} s"),) if is_late else ()
        if self._begun_s is None and all(each.phase is Phase.UP for each in view):
            self._begun_s = now_s
            return (Drain(state.name),)
        return ()

    def _is_back(self, state: ReplicaState) -> bool:
        """What lies between may have been too short to be seen."""
        return self._begun_s is not None and state.phase is Phase.UP and state.since_s > self._begun_s
