"""When nodes crash, are reclaimed and come back, from a seed: a clock per node and kind."""

from collections.abc import Callable, Sequence
from math import inf
from random import Random

from weft.cluster.nodes import Node
from weft.observation.conditions import sometimes
from weft.simulator.agenda import Handle
from weft.simulator.node_lives import NodeFaults
from weft.simulator.virtual_time import running_agenda

CRASHED = sometimes("provisioning: a node crashed")
RECLAIMED = sometimes("provisioning: a node was reclaimed")
CAME_BACK = sometimes("provisioning: a node came back")


class NodeClocks:
    """Sets `is_available` of nodes. `notice` is told of a node that will be lost, and when; `lose` of one that is.

    No clock shifts another. What is due at `heals_at_s` or later does not happen; what was noticed before it does.
    Nodes that are not available at first stay so.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        faults: NodeFaults,
        seed: int,
        notice: Callable[[Node, float], object],
        lose: Callable[[Node], object],
    ) -> None:
        self._faults, self._notice, self._lose = faults, notice, lose
        self._agenda = running_agenda()
        self._up: dict[str, list[Handle]] = {}  # nodes that are there, and what is to befall them
        self._streams = {
            (node.name, kind): Random(f"{seed}/provisioning/{node.name}/{kind}")
            for node in nodes
            for kind in ("crash", "reclaim")
        }
        for node in nodes:
            if node.is_available:
                self._wind_up(node)

    def crash(self, node: Node) -> None:
        """It is lost now, unless it is away."""
        if node.name in self._up:
            CRASHED.hit()
            self._go(node)

    def reclaim(self, node: Node) -> None:
        """It will be lost after its notice, unless it has that already, or is away."""
        if node.is_available and node.name in self._up:
            RECLAIMED.hit()
            node.is_available = False
            deadline_s = self._agenda.now_s + self._faults.notice_s
            self._notice(node, deadline_s)
            self._up[node.name].append(self._agenda.call_at(deadline_s, self._go, (node,)))

    def _wind_up(self, node: Node) -> None:
        timers = self._up[node.name] = []
        node.is_available = True
        clocks = (
            ("crash", self._faults.crashes, self.crash),
            ("reclaim", self._faults.reclaims, self.reclaim),
        )
        for kind, lifetime, strike in clocks:
            if lifetime is not None:
                due_s = self._agenda.now_s + lifetime.seconds(self._streams[node.name, kind])
                if due_s < self._faults.heals_at_s:
                    timers.append(self._agenda.call_at(due_s, strike, (node,)))

    def _go(self, node: Node) -> None:
        node.is_available = False
        for timer in self._up.pop(node.name):
            timer.cancel()
        self._lose(node)
        if self._faults.away_s < inf:
            self._agenda.call_at(self._agenda.now_s + self._faults.away_s, self._come_back, (node,))

    def _come_back(self, node: Node) -> None:
        CAME_BACK.hit()
        self._wind_up(node)
