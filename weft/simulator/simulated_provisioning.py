"""`Provisioning` in virtual time: actors start cold, nodes crash and are reclaimed, and both cost money."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from weft.cluster.nodes import Node
from weft.contracts.errors import ConfigurationError, StartFailed
from weft.observation.conditions import sometimes
from weft.simulator.node_clocks import NodeClocks
from weft.simulator.node_lives import NO_NODE_FAULTS, ColdStart, NodeFaults
from weft.simulator.virtual_time import running_agenda

CRASHED = sometimes("provisioning: an actor crashed")
START_FAILED = sometimes("provisioning: an actor was lost before it was ready")
OUT_OF_TIME = sometimes("provisioning: an actor met the deadline of its notice")


class SimulatedActor(Protocol):
    """What provisioning must be able to do with what it has started."""

    def close(self) -> object:
        """End at once, whatever it is doing."""


MakeActor = Callable[[str, Node, int], SimulatedActor]
"""Makes an actor that is ready to work, by name, on a node; the number is its incarnation."""

OnLost = Callable[[str, int, str], object]
"""Told of an actor, its incarnation and why it is gone."""

OnNotice = Callable[[str, float], object]
"""Told of an actor, and when it will be ended, in seconds on the loop's clock."""


class _Life:
    """One incarnation of an actor, from the beginning of its start. `actor`: once it is ready."""

    def __init__(self, name: str, incarnation: int, node: Node, ready: asyncio.Future[None]) -> None:
        self.name, self.incarnation, self.node, self.ready = name, incarnation, node, ready
        self.actor: SimulatedActor | None = None


class SimulatedProvisioning:
    """Starts actors on nodes, any number on each, and ends them, or has nodes end with those on them.

    `on_lost` is told of every actor that was ready and ends unasked, after it was closed; `on_notice` before one is
    ended so. `is_warm`: the first start of each actor takes no time, because it was there before. Nodes that never were
    raise `ConfigurationError`.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        make: MakeActor,
        on_lost: OnLost,
        on_notice: OnNotice,
        cold_start: ColdStart,
        faults: NodeFaults = NO_NODE_FAULTS,
        seed: int = 0,
        *,
        is_warm: bool = False,
    ) -> None:
        self._is_warm = is_warm
        self._nodes = {node.name: node for node in nodes}
        if len(self._nodes) < len(nodes):
            raise ConfigurationError(
                f"two of the nodes {', '.join(node.name for node in nodes)} share a name"
            )
        self._make, self._on_lost, self._on_notice = make, on_lost, on_notice
        self._cold_start = cold_start
        self._streams = {name: Random(f"{seed}/provisioning/{name}/start") for name in self._nodes}
        self._agenda, self._loop = running_agenda(), asyncio.get_running_loop()
        self._lives: dict[str, _Life] = {}
        self._clocks = NodeClocks(nodes, faults, seed, self._notice_all, self._lose_all)
        self._paid_from_s: dict[str, float] = {}
        self._paid_s = dict.fromkeys(self._nodes, 0.0)

    async def start(self, actor: str, node: str, incarnation: int) -> None:
        """See `Provisioning`. Raises `StartFailed` where the node is not available, or the actor ended before it is
        ready; `ConfigurationError` where there is one of that name; what making it raises."""
        place = self._node(node)
        if actor in self._lives:
            raise ConfigurationError(
                f"actor {actor!r} is there already; end it first, or choose another name"
            )
        if not place.is_available:
            raise StartFailed(actor, node, "the node is not available")
        life = self._lives[actor] = _Life(actor, incarnation, place, self._loop.create_future())
        self._paid_from_s.setdefault(node, self._agenda.now_s)
        is_there = self._is_warm and incarnation == 1
        ready_s = self._agenda.now_s + (0.0 if is_there else self._cold_start.seconds(self._streams[node]))
        self._agenda.call_at(ready_s, self._get_ready, (life,))
        try:
            await life.ready
        except asyncio.CancelledError:
            self._end(life)
            raise

    def notice(self, actor: str, deadline_s: float) -> None:
        """See `Provisioning`: what is still there then is lost."""
        if actor in self._lives:
            self._notice(self._lives[actor], deadline_s)

    async def stop(self, actor: str) -> None:
        """See `Provisioning`: its requests have been finished or taken from it, so it is ended."""
        self.kill(actor)

    def kill(self, actor: str) -> None:
        """See `Provisioning`; nobody is told."""
        if actor in self._lives:
            self._end(self._lives[actor], "it was ended")

    def crash(self, actor: str) -> None:
        """It is lost now, if it is there."""
        if actor in self._lives:
            CRASHED.hit()
            self._lose(self._lives[actor], "it crashed")

    def crash_node(self, node: str) -> None:
        """It ends at once, with all actors on it."""
        self._clocks.crash(self._node(node))

    def reclaim_node(self, node: str) -> None:
        """Its actors get notice, and it ends when that runs out. Nothing more starts on it."""
        self._clocks.reclaim(self._node(node))

    def cost(self) -> float | None:
        """In US dollars so far: of every node, the time in which actors were or started on it. None where one of those
        nodes has no price."""
        total = 0.0
        for name, node in self._nodes.items():
            used_s = self._paid_s[name] + self._agenda.now_s - self._paid_from_s.get(name, self._agenda.now_s)
            if used_s and node.price_per_hour is None:
                return None
            total += used_s / 3600.0 * (node.price_per_hour or 0.0)
        return total

    def _get_ready(self, life: _Life) -> None:
        if life.ready.done():
            return
        try:
            life.actor = self._make(life.name, life.node, life.incarnation)
        except Exception as error:
            life.ready.set_exception(error)
            self._end(life)
        else:
            life.ready.set_result(None)

    def _notice(self, life: _Life, deadline_s: float) -> None:
        self._on_notice(life.name, deadline_s)
        self._agenda.call_at(deadline_s, self._run_out, (life,))

    def _run_out(self, life: _Life) -> None:
        if self._lives.get(life.name) is life:
            OUT_OF_TIME.hit()
            self._lose(life, "its time ran out")

    def _notice_all(self, node: Node, deadline_s: float) -> None:
        for life in self._lives_on(node):
            self._notice(life, deadline_s)

    def _lose_all(self, node: Node) -> None:
        for life in self._lives_on(node):
            self._lose(life, f"node {node.name!r} is gone")

    def _lose(self, life: _Life, reason: str) -> None:
        self._end(life, reason)
        if life.actor is not None:
            self._on_lost(life.name, life.incarnation, reason)
        else:
            START_FAILED.hit()

    def _end(self, life: _Life, reason: str = "") -> None:
        """Unless it has ended. Who waits for it to be ready is told the reason."""
        if self._lives.get(life.name) is not life:
            return
        del self._lives[life.name]
        if life.actor is not None:
            life.actor.close()
        elif not life.ready.done():
            life.ready.set_exception(StartFailed(life.name, life.node.name, reason))
        node = life.node
        if not self._lives_on(node):
            self._paid_s[node.name] += self._agenda.now_s - self._paid_from_s.pop(node.name)

    def _lives_on(self, node: Node) -> list[_Life]:
        return [life for life in self._lives.values() if life.node is node]

    def _node(self, name: str) -> Node:
        if name not in self._nodes:
            raise ConfigurationError(
                f"node {name!r} is unknown; there are {', '.join(self._nodes) or 'none'}"
            )
        return self._nodes[name]
