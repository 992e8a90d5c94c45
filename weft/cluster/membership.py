"""Which replicas there are and whether they are alive: by heartbeats with progress, and by acknowledgements.

A replica that is given up is given up for good: what its incarnation still says is ignored, and whoever can is asked to
kill it. Only another incarnation may come back under its name.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, Protocol

from weft.cluster.books import OutputLengths
from weft.cluster.circuit_breaker import Changes
from weft.cluster.link import Link
from weft.cluster.member import Member, Phase
from weft.cluster.messages import Alive, Frame, Heartbeat, Hello, Stopped
from weft.cluster.open_request import OpenRequest, ReplicaMisbehaves
from weft.cluster.timing import Timing
from weft.observation.conditions import sometimes

FENCED = sometimes("health: word of a former incarnation was ignored")
MISBEHAVED = sometimes("health: a replica was lost because of what it said")

Send = Callable[[str, Frame], object]
"""Puts a frame on the fabric, to the replica of that name."""


class Loss(NamedTuple):
    """A replica is gone. `is_wanted`: by the will of whoever controls it; `phase`: in which it was; `requests`: that it
    had."""

    reason: str
    is_wanted: bool
    phase: Phase
    requests: list[OpenRequest]


class Watcher(Protocol):
    """Is told what becomes of members, and what they say beyond that they live."""

    def joined(self, member: Member) -> None: ...
    def lost(self, member: Member, loss: Loss) -> None: ...
    def heard(self, member: Member, message: object) -> None: ...
    def passed(self) -> None:
        """A heartbeat's time has passed."""


class Membership:
    """`members`: by name, in one order for ever. All must name the bits of their state alike; the first says how.
    `changes`: of who may be given requests."""

    def __init__(self, names: Iterable[str], send: Send, timing: Timing, watcher: Watcher) -> None:
        lengths = OutputLengths()
        self.changes = Changes()
        self.members = {name: Member(name, lengths, self.changes) for name in names}
        self.fingerprint: str | None = None
        self._send, self._timing, self._watcher = send, timing, watcher
        self._loop = asyncio.get_running_loop()
        self._ticked_s = self._loop.time()
        self._timer = self._loop.call_later(timing.heartbeat_s, self._tick)

    def close(self) -> None:
        """Watch nobody any more."""
        self._timer.cancel()
        for member in self.members.values():
            member.end()

    def starting(self, name: str) -> int:
        """A new incarnation of a replica is about to be started; its number. Nothing is expected of it before it says
        that it is ready."""
        member = self.members[name]
        assert member.phase is Phase.DOWN
        incarnation = member.incarnation + 1
        link = Link(incarnation, partial(self._send, name), partial(self._heard, member))
        member.begin(incarnation, link)
        return incarnation

    def receive(self, name: str, frame: object) -> None:
        """Take in what came over the fabric."""
        member = self.members[name]
        if not isinstance(frame, Frame):
            self._misbehaves(member, f"it sent {frame!r:.80}, which is no message")
        elif member.link is None or frame.incarnation != member.incarnation:
            FENCED.hit()
        else:
            try:
                member.receive(frame)
            except ReplicaMisbehaves as problem:
                self._misbehaves(member, str(problem))

    def _misbehaves(self, member: Member, problem: str) -> None:
        MISBEHAVED.hit()
        self.lose(member, problem)

    def _heard(self, member: Member, message: object) -> None:
        match message:
            case Heartbeat(load):
                member.note_load(load, self._loop.time())
            case Hello(fingerprint):
                self._welcome(member, fingerprint)
            case Stopped(reason):
                self.lose(member, reason)
            case _:
                self._watcher.heard(member, message)

    def _welcome(self, member: Member, fingerprint: str) -> None:
        known = self.fingerprint = self.fingerprint or fingerprint
        if fingerprint != known:
            raise ReplicaMisbehaves(
                f"its state is of {fingerprint!r} and that of the others of {known!r}: outputs could not go on there"
            )
        if member.phase is Phase.STARTING:
            member.phase = Phase.UP
            self._watcher.joined(member)

    def lose(self, member: Member, reason: str, *, is_wanted: bool = False) -> None:
        """A replica is to be regarded as gone."""
        phase = member.phase
        if phase is not Phase.DOWN:
            member.num_losses += 1
            self._watcher.lost(member, Loss(reason, is_wanted, phase, member.end()))

    def _tick(self) -> None:
        """Silence counts only while this loop runs: one that was held up must not blame others for it."""
        self._timer = self._loop.call_later(self._timing.heartbeat_s, self._tick)
        now_s = self._loop.time()
        passed_s, self._ticked_s = min(now_s - self._ticked_s, 1.5 * self._timing.heartbeat_s), now_s
        for member in list(self.members.values()):
            if member.link is not None:
                self._look_after(member, member.link, passed_s)
        self._watcher.passed()

    def _look_after(self, member: Member, link: Link, passed_s: float) -> None:
        member.pass_time(passed_s)
        problem = member.problem(self._timing)
        if problem is not None:
            self.lose(member, problem)
        elif member.phase is not Phase.STARTING:
            link.resend(2.0 * self._timing.heartbeat_s)
            link.acknowledge(Alive())
            if not link.oldest_unacknowledged:
                link.post(Alive())  # what it must acknowledge, or it does not hear
