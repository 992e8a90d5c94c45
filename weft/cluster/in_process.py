"""Replicas on the event loop of their router: `Messages` and `Provisioning` in one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from weft.cluster.messages import Frame
from weft.cluster.nodes import Node

ActorReceiver = Callable[[str, object], object]


class LocalActor(Protocol):
    """What runs under a name."""

    def receive(self, frame: Frame) -> None: ...
    def close(self) -> None: ...


MakeActor = Callable[[str, int, Callable[[Frame], object]], Awaitable[LocalActor]]
"""Makes an actor of a name and an incarnation, with what sends its frames to the router."""


class InProcess:
    """`make` makes each actor when it is started. What is sent arrives in order, before the loop next waits."""

    def __init__(self, make: MakeActor) -> None:
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._actors: dict[str, LocalActor] = {}
        self._starting: dict[str, int] = {}
        self.receive: ActorReceiver = lambda name, frame: None
        self.went_away: Callable[[str, int, str], object] = lambda name, incarnation, reason: None

    def nodes(self) -> list[Node]:
        """This machine."""
        return [Node("here")]

    def send(self, source: str, target: str, message: object, num_bytes: int = 0) -> None:
        """From the router to an actor; to one that is gone, nothing."""
        self._loop.call_soon(self._deliver, target, message)

    def _deliver(self, target: str, message: object) -> None:
        actor = self._actors.get(target)
        if actor is not None and isinstance(message, Frame):
            actor.receive(message)

    async def start(self, actor: str, node: str, incarnation: int) -> None:
        """See `Provisioning`."""

        def send(frame: Frame) -> None:
            self._loop.call_soon(self.receive, actor, frame)

        self._starting[actor] = incarnation
        made = await self._make(actor, incarnation, send)
        if self._starting.pop(actor, None) == incarnation:
            self._actors[actor] = made
        else:
            made.close()  # it was killed before it was there

    def notice(self, actor: str, deadline_s: float) -> None:
        """See `Provisioning`."""
        self._loop.call_at(deadline_s, self._end, actor, self._actors.get(actor))

    async def stop(self, actor: str) -> None:
        """See `Provisioning`; its router has seen to it that it has no work."""
        self.kill(actor)

    def _end(self, actor: str, noticed: LocalActor | None) -> None:
        if noticed is not None and self._actors.get(actor) is noticed:
            self.kill(actor)

    def kill(self, actor: str) -> None:
        """See `Provisioning`."""
        self._starting.pop(actor, None)
        if actor in self._actors:
            self._actors.pop(actor).close()
