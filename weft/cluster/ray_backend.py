"""Replicas as actors of Ray: `Messages` and `Provisioning` in one. Nothing else in Weft knows Ray.

What travels are the frames of `wire.py`, as bytes: to an actor, all of a round of the loop in one call; from it, all
since the last as the answer to a call that waits for some. Ray's errors become word that a replica went away.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from weft.cluster.framing import UNSENT
from weft.cluster.hosting import MakeReplica, Opening
from weft.cluster.in_process import ActorReceiver
from weft.cluster.messages import Frame
from weft.cluster.nodes import Node
from weft.cluster.processes import WentAway
from weft.cluster.ray_connection import ray_module
from weft.cluster.ray_host import RayHost
from weft.cluster.wire import BadFrame, decode, encode
from weft.contracts.errors import ConfigurationError

STOP_S = 5.0
"""How long an actor may take to end its replica."""

AGAIN_S = 0.1
"""Before an actor is asked again that Ray could not reach."""

MOST_CALLS = 1024
"""Frames are dropped while so many calls of an actor have not ended."""


class _RayReplica:
    """One actor, seen from the router."""

    def __init__(self, name: str, incarnation: int, handle: Any) -> None:
        self.name, self.incarnation, self.handle = name, incarnation, handle
        self._receive = handle.receive.options(num_returns=0)
        self._unsent: list[bytes] = []
        self.process_id: int | None = None

    def send(self, frame: bytes) -> None:
        """Put a frame on its way, with all others of this round of the loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(frame)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        try:
            self._receive.remote(*unsent)
        except ray_module().exceptions.PendingCallsLimitExceeded:
            UNSENT.hit()


class RayReplicas:
    """`make` runs in the actors, and must be a function that they can import; `description`: what each is told to be.
    `num_cpus`, `num_gpus`: of each, by Ray's books. Connect first, see `ray_connection`.

    `receive` and `went_away` are told what comes of them; set both before the first is started. `close` at the end.
    """

    def __init__(
        self,
        make: MakeReplica,
        description: Mapping[str, Any],
        num_cpus: float = 0.0,
        num_gpus: float = 0.0,
    ) -> None:
        self._ray = ray_module()
        self._make, self._description = make, dict(description)
        self._actor_class = self._ray.remote(
            num_cpus=num_cpus, num_gpus=num_gpus, max_restarts=0, max_pending_calls=MOST_CALLS
        )(RayHost)
        self._loop = asyncio.get_running_loop()
        self._replicas: dict[str, _RayReplica] = {}
        self._listening: dict[_RayReplica, asyncio.Task[None]] = {}
        self.receive: ActorReceiver = lambda name, frame: None
        self.went_away: WentAway = lambda name, incarnation, reason: None

    def nodes(self) -> list[Node]:
        """Ray's, by its names for them."""
        return [Node(each["NodeID"]) for each in self._ray.nodes() if each["Alive"]]

    def process_id(self, actor: str) -> int | None:
        """Of the process that runs an actor now, on its node; None where none does."""
        replica = self._replicas.get(actor)
        return None if replica is None else replica.process_id

    def send(self, source: str, target: str, message: object, num_bytes: int = 0) -> None:
        """From the router to an actor; to one that is gone, nothing. Raises `InvalidRequest` as `wire.encode` does."""
        replica = self._replicas.get(target)
        if replica is not None and isinstance(message, Frame):
            replica.send(encode(message))

    async def start(self, actor: str, node: str, incarnation: int) -> None:
        """See `Provisioning`; on another node where Ray no longer has this one. Waits while there is no room. Raises
        `ConfigurationError` where Ray cannot start it."""
        place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=True)
        handle = self._actor_class.options(scheduling_strategy=place).remote(self._make, actor)
        replica = self._replicas[actor] = _RayReplica(actor, incarnation, handle)
        try:
            replica.process_id = await handle.begin.remote(
                Opening(actor, incarnation, self._description).encode()
            )
        except self._ray.exceptions.RayError as error:
            raise ConfigurationError(_reason(error)) from error
        self._listening[replica] = self._loop.create_task(self._listen(replica))

    async def _listen(self, replica: _RayReplica) -> None:
        reason = await self._hear(replica)
        del self._listening[replica]
        if self._replicas.get(replica.name) is replica:
            self.kill(replica.name)
            self.went_away(replica.name, replica.incarnation, reason)

    async def _hear(self, replica: _RayReplica) -> str:
        """Pass on what it says; why it says no more."""
        while True:
            try:
                for data in await replica.handle.news.remote():
                    self._loop.call_soon(self._pass_on, replica, decode(data))
            except self._ray.exceptions.ActorUnavailableError:
                await asyncio.sleep(AGAIN_S)  # what its last answer held is sent again by its link
            except self._ray.exceptions.RayError as error:
                return _reason(error)
            except BadFrame as problem:
                return f"it sent what is no message: {problem}"

    def _pass_on(self, replica: _RayReplica, frame: Frame) -> None:
        if self._replicas.get(replica.name) is replica:
            self.receive(replica.name, frame)

    def notice(self, actor: str, deadline_s: float) -> None:
        """See `Provisioning`."""
        replica = self._replicas.get(actor)
        if replica is not None:
            self._loop.call_at(deadline_s, self._ray.kill, replica.handle)

    async def stop(self, actor: str) -> None:
        """See `Provisioning`; its router has seen to it that it has no work."""
        replica = self._replicas.pop(actor, None)
        if replica is None:
            return
        try:
            await asyncio.wait_for(replica.handle.end.remote(), STOP_S)
        except (self._ray.exceptions.RayError, TimeoutError):
            pass  # then it ends as follows
        finally:
            self._ray.kill(replica.handle)

    def kill(self, actor: str) -> None:
        """See `Provisioning`. A process that was stopped is gone some seconds later, as Ray has it."""
        replica = self._replicas.pop(actor, None)
        if replica is not None:
            self._ray.kill(replica.handle)

    async def close(self) -> None:
        """Kill all."""
        for actor in list(self._replicas):
            self.kill(actor)
        if self._listening:
            await asyncio.wait(list(self._listening.values()))


def _reason(error: Exception) -> str:
    """In a line; Ray writes pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("The actor is dead because")] or lines[-1:]
    return f"its Ray actor is gone: {''.join(told):.200}"
