"""Which faults of a world are in force when, and how often each kind struck."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from math import inf
from random import Random
from typing import Any, TypeVar

from weft.measurement.campaign.faults import (
    FRONT,
    EngineFault,
    FailureClock,
    MessageChance,
    Partition,
    ReplicaFault,
    SlowLinks,
)
from weft.measurement.campaign.world import World
from weft.observation.faults import FaultPlan
from weft.simulator.network_faults import Chances, Cut, NetworkFaultPlan, Slowdown
from weft.simulator.node_lives import Lifetime, NodeFaults

Lasting = TypeVar("Lasting", bound=ReplicaFault)

SILENCE_S = 1.0


def node_name(number: int | None) -> str | None:
    """Of a node's number; None for any."""
    if number is None:
        return None
    return "front" if number == FRONT else f"node-{number}"


def replica_name(number: int) -> str:
    """Of a replica's number."""
    return f"replica-{number}"


class Troubles:
    """`injected`: by the name of its kind, how often a fault struck."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.injected = Counter[str]()
        self._lasting: dict[tuple[type, int], list[Any]] = {}
        self.heals_at_s = world.heals_at_s if world.mode == "safety" else inf

    def end_s(self, until_s: float | None) -> float:
        """When a fault ends that would last so long."""
        return min(inf if until_s is None else until_s, self.heals_at_s)

    def in_force(self, kind: type[Lasting], replica: int) -> list[Lasting]:
        """Those of a kind that hold at a replica now."""
        if (kind, replica) not in self._lasting:
            found = [
                each for each in self._world.faults if isinstance(each, kind) and each.replica == replica
            ]
            self._lasting[kind, replica] = found
        if not (lasting := self._lasting[kind, replica]):
            return []
        now_s = asyncio.get_running_loop().time()
        return [each for each in lasting if each.from_s <= now_s < self.end_s(each.until_s)]

    def strikes(self, chances: Iterable[float], stream: Random, kind: str) -> bool:
        """Whether one of several independent chances does."""
        struck = False
        for chance in chances:
            struck |= stream.random() < chance
        self.injected[kind] += struck
        return struck

    def network(self) -> NetworkFaultPlan:
        """What goes wrong between nodes."""
        world = self._world
        found = [each for each in world.faults if isinstance(each, MessageChance)]
        chances = {each.what: each.chance for each in found}
        late_s = max((each.most_delay_s for each in found), default=0.0)
        lives = world.mode == "liveness"
        return NetworkFaultPlan(
            Chances(**chances, most_delay_s=late_s),
            cuts=self._cuts(),
            slowdowns=self._slowdowns(),
            silence_s=SILENCE_S,
            heals_at_s=0.0 if lives else world.heals_at_s,
            healed=("front", f"node-{world.core}") if lives else None,
        )

    def _cuts(self) -> list[Cut]:
        return [
            Cut(node_name(each.source), node_name(each.target), each.from_s, self.end_s(each.until_s))
            for each in self._world.faults
            if isinstance(each, Partition) and each.from_s < self.end_s(each.until_s)
        ]

    def _slowdowns(self) -> list[Slowdown]:
        return [
            Slowdown(f"node-{each.node}", each.factor, each.from_s, self.end_s(each.until_s))
            for each in self._world.faults
            if isinstance(each, SlowLinks) and each.from_s < self.end_s(each.until_s)
        ]

    def nodes(self) -> NodeFaults:
        """What ends nodes by chance."""
        world, lifetimes = self._world, dict[str, Lifetime]()
        for each in world.faults:
            if isinstance(each, FailureClock):
                lifetimes[each.ends] = Lifetime(each.mean_s, each.shape)
        times = {"notice_s": world.notice_s, "away_s": world.away_s, "heals_at_s": world.heals_at_s}
        return NodeFaults(lifetimes.get("crashes"), lifetimes.get("reclaims"), **times)


class EngineFaults(FaultPlan):
    """Fault points in the engines fail until all heals."""

    def __init__(self, world: World) -> None:
        chances = {each.point: each.chance for each in world.faults if isinstance(each, EngineFault)}
        super().__init__(chances)
        self._chances, self._heals_at_s = chances, world.heals_at_s
        self._streams = {name: Random(f"{world.seed}/{name}") for name in chances}

    def fails(self, name: str, call_number: int) -> bool:
        """Each point draws from a stream of its own."""
        if name not in self._chances or asyncio.get_running_loop().time() >= self._heals_at_s:
            return False
        return self._streams[name].random() < self._chances[name]
