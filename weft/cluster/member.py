"""A replica as its router knows it: whether it is there, whether it gets on, and which requests it has."""

from enum import Enum

from weft.cluster.books import OutputLengths, ReplicaBooks
from weft.cluster.circuit_breaker import Changes, CircuitBreaker
from weft.cluster.link import Link
from weft.cluster.messages import Frame
from weft.cluster.open_request import OpenRequest, ReplicaMisbehaves
from weft.cluster.timing import Timing
from weft.contracts.routing import LoadReport
from weft.observation.conditions import sometimes

SILENT = sometimes("health: a replica was lost because nothing was heard of it")
STUCK = sometimes("health: a replica was lost because its engine got nowhere")
UNHEARD = sometimes("health: a replica was lost because it heard nothing")


class Phase(Enum):
    """Down: not there; starting: not ready; up: takes requests; draining: ends those that it has; stopping: has ended
    them, and goes."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    DRAINING = "draining"
    STOPPING = "stopping"


class Member:
    """`incarnation`: counts its starts, `num_losses` those that ended badly. `requests`: by id, those that it has, in
    the order in which it got them."""

    def __init__(self, name: str, lengths: OutputLengths, changes: Changes) -> None:
        self.name, self._lengths, self._changes = name, lengths, changes
        self._phase = Phase.DOWN
        self.incarnation = self.num_losses = 0
        self.link: Link | None = None
        self._begin_afresh()

    @property
    def phase(self) -> Phase:
        """See `Phase`."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase = phase
        self._changes.count += 1

    def _begin_afresh(self) -> None:
        self.books, self.breaker = ReplicaBooks(self.name, self._lengths), CircuitBreaker(self._changes)
        self.requests: dict[str, OpenRequest] = {}
        self._silent_s = self._stuck_s = self._unheard_s = 0.0
        self._num_steps = self._oldest = 0

    def begin(self, incarnation: int, link: Link) -> None:
        """A new incarnation is being started."""
        self.phase, self.incarnation, self.link = Phase.STARTING, incarnation, link
        self._begin_afresh()

    def end(self) -> list[OpenRequest]:
        """It is gone; the requests that it had."""
        if self.link is not None:
            self.link.close()
        left = list(self.requests.values())
        self.phase, self.link, self.requests = Phase.DOWN, None, {}
        return left

    def stop(self) -> None:
        """It is told to go, and has nothing to say any more."""
        assert not self.requests
        self.end()
        self.phase = Phase.STOPPING

    def receive(self, frame: Frame) -> None:
        """It said something. Raises `ReplicaMisbehaves` where that cannot be."""
        assert self.link is not None
        if frame.acknowledged > self.link.num_posted:
            raise ReplicaMisbehaves(f"it acknowledged message {frame.acknowledged} of {self.link.num_posted}")
        self._silent_s = 0.0
        self.link.receive(frame)

    def note_load(self, load: LoadReport, now_s: float) -> None:
        """It told how its engine gets on."""
        if load.num_steps != self._num_steps or not load.num_running + load.num_waiting:
            self._num_steps, self._stuck_s = load.num_steps, 0.0
        self.books.note_report(load, now_s)

    def pass_time(self, seconds: float) -> None:
        """So much time has passed in which the router's own loop ran."""
        if self.link is None:
            return
        self._silent_s += seconds
        self._stuck_s += 0.0 if self.phase is Phase.STARTING else seconds
        oldest = self.link.oldest_unacknowledged
        self._unheard_s = self._unheard_s + seconds if oldest and oldest == self._oldest else 0.0
        self._oldest = oldest

    def problem(self, timing: Timing) -> str | None:
        """Why it must be taken for lost, or None."""
        if self._silent_s > (timing.start_s if self.phase is Phase.STARTING else timing.lost_after_s):
            SILENT.hit()
            return f"no sign of life for {self._silent_s:.2f} s"
        if self._unheard_s > timing.lost_after_s:
            UNHEARD.hit()
            return f"it has acknowledged nothing for {self._unheard_s:.2f} s"
        if self._stuck_s > timing.stalled_after_s:
            STUCK.hit()
            return f"its engine has work and has ended no step for {self._stuck_s:.0f} s"
        return None
