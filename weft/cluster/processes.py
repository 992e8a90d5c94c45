"""Replicas as processes of this machine: `Messages` and `Provisioning` in one."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.cluster.child_process import ChildProcess
from weft.cluster.hosting import Opening
from weft.cluster.in_process import ActorReceiver
from weft.cluster.messages import Frame
from weft.cluster.nodes import Node
from weft.cluster.wire import decode, encode
from weft.contracts.errors import ConfigurationError

STOP_S = 5.0
"""How long a process may take to end when its stream does."""

WentAway = Callable[[str, int, str], object]
"""Told of a name, an incarnation, and why it is gone."""


def _write_to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


class Processes:
    """`command`: starts the process of a replica, with the number of its socket as one more argument; see
    `process_main`. `description`: what each is told to be, in JSON. `say`: told each line that one writes, after its
    name.

    `receive` and `went_away` are told what comes of them; set both before the first is started. `close` at the end, or
    processes outlive the loop.
    """

    def __init__(
        self,
        command: Sequence[str],
        description: Mapping[str, Any],
        say: Callable[[str], object] = _write_to_stderr,
    ) -> None:
        self._command, self._description, self._say = tuple(command), dict(description), say
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[str, int] = {}
        self._children: dict[str, ChildProcess] = {}
        self._watches: dict[ChildProcess, asyncio.Task[None]] = {}
        self.receive: ActorReceiver = lambda name, frame: None
        self.went_away: WentAway = lambda name, incarnation, reason: None

    def process_id(self, actor: str) -> int | None:
        """Of the process that runs an actor now; None where none does."""
        child = self._children.get(actor)
        return None if child is None else child.process_id

    def nodes(self) -> list[Node]:
        """This machine."""
        return [Node("here")]

    def send(self, source: str, target: str, message: object, num_bytes: int = 0) -> None:
        """From the router to an actor; to one that is gone, nothing. Raises `InvalidRequest` as `wire.encode` does."""
        child = self._children.get(target)
        if child is not None and isinstance(message, Frame):
            child.stream.send(encode(message))

    async def start(self, actor: str, node: str, incarnation: int) -> None:
        """See `Provisioning`. Raises `ConfigurationError` where the command cannot be run."""
        self._wanted[actor] = incarnation
        child = ChildProcess(actor, incarnation, self._deliver, self._say)
        try:
            await child.start(self._command)
        except OSError as error:
            raise ConfigurationError(
                f"no process can be started by {' '.join(self._command)!r}: {error}"
            ) from error
        self._watches[child] = self._loop.create_task(self._watch(child))
        if self._wanted.get(actor) != incarnation:  # killed meanwhile
            child.kill()
            return
        self._children[actor] = child
        child.stream.send(Opening(actor, incarnation, self._description).encode())

    def _deliver(self, child: ChildProcess, data: bytes) -> None:
        self._loop.call_soon(
            self._pass_on, child, decode(data)
        )  # a defect of who hears it is not the child's

    def _pass_on(self, child: ChildProcess, frame: Frame) -> None:
        if self._children.get(child.name) is child:
            self.receive(child.name, frame)

    async def _watch(self, child: ChildProcess) -> None:
        reason = await child.ended()
        try:
            if self._children.get(child.name) is child:
                del self._children[child.name]
                self.went_away(child.name, child.incarnation, reason)
        finally:
            await child.closed()
            del self._watches[child]

    def notice(self, actor: str, deadline_s: float) -> None:
        """See `Provisioning`."""
        child = self._children.get(actor)
        if child is not None:
            self._loop.call_at(deadline_s, child.kill)

    async def stop(self, actor: str) -> None:
        """See `Provisioning`; its router has seen to it that it has no work. Completes when the process is gone."""
        child = self._take_out(actor)
        if child is None:
            return
        gone = self._watches[child]
        try:
            child.stream.close()
            await asyncio.wait([gone], timeout=STOP_S)
        finally:
            child.kill()
        await asyncio.wait([gone])

    def kill(self, actor: str) -> None:
        """See `Provisioning`."""
        child = self._take_out(actor)
        if child is not None:
            child.kill()

    def _take_out(self, actor: str) -> ChildProcess | None:
        """Nothing more is heard of it."""
        self._wanted.pop(actor, None)
        return self._children.pop(actor, None)

    async def close(self) -> None:
        """Kill all, and wait until they are gone."""
        for actor in list(self._wanted):
            self.kill(actor)
        for child in self._watches:
            child.kill()
        if self._watches:
            await asyncio.wait(list(self._watches.values()))
