"""Playing a workload in virtual time: as `workloads.driving` does on any clock, but without a task for each session,
which would cost a simulation more than its scheduling does."""

import asyncio
from collections.abc import Callable, Iterable

from weft.simulator.virtual_time import running_agenda
from weft.workloads.sessions import Session, Turn


class Play:
    """A session under way. `index`: of the turn that was sent last."""

    __slots__ = ("_player", "_turns", "index", "session")

    def __init__(self, player: "Player", session: Session) -> None:
        self.session = session
        self.index = -1
        self._player = player
        self._turns = iter(session.turns)

    def begin(self, arrival_s: float) -> None:
        """Send the first turn."""
        if (turn := self._next()) is not None:
            self._player.send(self, turn, arrival_s)

    def go_on(self) -> None:
        """The turn that was sent last has been answered: send the next, in time."""
        if (turn := self._next()) is not None:
            player = self._player
            arrival_s = player.agenda.now_s + turn.delay_s
            player.agenda.call_at(arrival_s, player.attempt, (player.send, self, turn, arrival_s))

    def _next(self) -> Turn | None:
        turn = next(self._turns, None)
        if turn is None:
            self._player.note_over()
        self.index += 1
        return turn

    def attempt(self, action: Callable[..., object], *args: object) -> None:
        """As `Player.attempt`."""
        self._player.attempt(action, *args)


Send = Callable[[Play, Turn, float], object]
"""Sends a turn of a session, which goes on when that is answered. The number is when it was meant to be sent."""


class Player:
    """Starts each session at its arrival, counted from now, and takes them one by one, each when the one before has
    begun. `over`: done when all are; or holds the first exception that sessions or `send` have raised, after which
    nothing more is sent."""

    def __init__(self, sessions: Iterable[Session], send: Send) -> None:
        self.agenda = running_agenda()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.send = send
        self._begun_s = self.agenda.now_s
        self._sessions = iter(sessions)
        self._num_open = 1  # the arrivals themselves
        self.attempt(self._await_next)

    def attempt(self, action: Callable[..., object], *args: object) -> None:
        """Do something that ends the run where it raises."""
        if not self.over.done():
            try:
                action(*args)
            except Exception as error:
                self.over.set_exception(error)

    def _await_next(self) -> None:
        session = next(self._sessions, None)
        if session is None:
            self.note_over()
        else:
            arrival_s = self._begun_s + session.arrival_s
            self.agenda.call_at(arrival_s, self.attempt, (self._begin, session, arrival_s))

    def _begin(self, session: Session, arrival_s: float) -> None:
        self._num_open += 1
        Play(self, session).begin(arrival_s)
        self._await_next()

    def note_over(self) -> None:
        """One of the sessions is."""
        self._num_open -= 1
        if not self._num_open:
            self.over.set_result(None)
