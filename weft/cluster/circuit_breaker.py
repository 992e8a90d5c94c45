"""A replica on which everything fails takes no requests for a while: it fails fast, looks idle, and attracts more."""

from enum import Enum

from weft.observation.conditions import sometimes

OPENED = sometimes("breaker: a replica that fails takes no more requests")
TRIED = sometimes("breaker: a replica that had failed is tried with one request")

MOST_FAILURES = 5
"""One after the other; the default of Hystrix' successors for consecutive failures (Envoy's outlier detection)."""

OPEN_S = 5.0
"""Before it is tried again, and twice as long each time that fails."""

MOST_OPEN_S = 60.0


class State(Enum):
    """Closed: all is well. Half open: one request tries it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Changes:
    """Counts what changes who may be given requests, so that it need not be looked for each time."""

    def __init__(self) -> None:
        self.count = 0


class CircuitBreaker:
    """Of one replica (Nygard, *Release It!*, 2nd edition, chapter 5). `changes`: told of each change of state."""

    def __init__(self, changes: "Changes") -> None:
        self._changes = changes
        self._state = State.CLOSED
        self._num_failures = 0
        self._open_s = OPEN_S
        self._until_s = 0.0

    @property
    def state(self) -> State:
        """See `State`."""
        return self._state

    def _become(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._changes.count += 1

    def allows(self, now_s: float) -> bool:
        """Whether it may be given a request."""
        return self.state is State.CLOSED or (self.state is State.OPEN and now_s >= self._until_s)

    def note_sent(self) -> None:
        """It was given one."""
        if self.state is State.OPEN:
            TRIED.hit()
            self._become(State.HALF_OPEN)

    def note_success(self) -> None:
        """It has ended one well."""
        self._become(State.CLOSED)
        self._num_failures, self._open_s = 0, OPEN_S

    def note_abandoned(self, now_s: float) -> None:
        """One that it was given ended without showing anything: another may try."""
        if self.state is State.HALF_OPEN:
            self._become(State.OPEN)
            self._until_s = now_s

    def note_failure(self, now_s: float) -> None:
        """One that it was given failed there."""
        self._num_failures += 1
        if self.state is State.HALF_OPEN:
            self._open_s = min(2.0 * self._open_s, MOST_OPEN_S)
        elif self.state is State.OPEN or self._num_failures < MOST_FAILURES:
            return
        OPENED.hit()
        self._become(State.OPEN)
        self._until_s = now_s + self._open_s
