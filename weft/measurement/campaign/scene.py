"""A world while it is played: its cluster, its clients, and what befalls them."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any

from weft.cluster.cluster import Cluster
from weft.cluster.controllers import RollingRestart
from weft.cluster.member import Phase
from weft.cluster.nodes import Node
from weft.contracts.errors import ConnectionLost, InvariantViolation
from weft.contracts.routing import Routed, RouteEvent
from weft.hardware.cluster import Link
from weft.measurement.campaign.backend import ROUTER, Backend, name_of
from weft.measurement.campaign.checks import check_books, check_clients, check_nothing_left, check_up
from weft.measurement.campaign.client import Client
from weft.measurement.campaign.faults import (
    Crash,
    DrainOne,
    Garbage,
    Movement,
    NodeCrash,
    NodeReclaim,
    Restart,
)
from weft.measurement.campaign.history import History
from weft.measurement.campaign.models import make_model
from weft.measurement.campaign.settling import deadline_s, late_kills_s, restarted_s, settled_s
from weft.measurement.campaign.troubles import EngineFaults, Troubles, replica_name
from weft.measurement.campaign.watched_policy import WatchedPolicy, without_request
from weft.measurement.campaign.world import World
from weft.observation.faults import InjectedFault
from weft.observation.jsonl import to_json_line
from weft.policies.registry import make_route_policy
from weft.simulator.network_faults import NetworkFaults
from weft.simulator.simulated_fabric import SimulatedFabric
from weft.simulator.star_topology import StarTopology

NODE_BANDWIDTH = 1e10


class Scene:
    """`violations`: what must not have been, in the order in which it was found. `ended_s`: when it was over."""

    def __init__(self, world: World, *, digests: bool) -> None:
        self.world = world
        self.troubles = Troubles(world)
        self.violations: list[InvariantViolation] = []
        self.ended_s = 0.0
        self.clients: list[Client] = []
        self.history = History()
        self._digest = sha256() if digests else None
        self._restarts: list[RollingRestart] = []

    def complain(self, violation: InvariantViolation) -> None:
        """Something must not be."""
        self.violations.append(violation)

    def note_failure(self, context: dict[str, Any]) -> None:
        """The loop's exception handler: what nobody caught, and defects that engines got over."""
        error: BaseException | None = context.get("exception")
        cause = error
        while cause is not None:
            if isinstance(cause, InjectedFault):
                return
            if isinstance(cause, InvariantViolation):
                self.complain(cause)
                return
            cause = cause.__cause__ or cause.__context__
        self.complain(InvariantViolation(f"no_{type(error).__name__}", f"{error!r}{_place(error)}"))

    def note(self, happened: object) -> None:
        """Something that decides the digest."""
        if self._digest is not None:
            self._digest.update(repr(happened).encode())

    def digest(self) -> str:
        """Of all that was noted."""
        return "" if self._digest is None else self._digest.hexdigest()

    def ends(self) -> Counter[str]:
        """How requests ended."""
        found = Counter[str]()
        for visit in (visit for client in self.clients for visit in client.visits):
            if visit.end is not None:
                found[visit.end.status.value] += 1
            else:
                found["left" if visit.has_left else "refused" if visit.is_refused else "open"] += 1
        return found

    def observe(self, event: RouteEvent) -> None:
        """What the routing policy is told."""
        self.note(without_request(event))
        self.history.note(event)
        if (
            isinstance(event, Routed)
            and self.cluster.router.membership.members[event.replica].phase is not Phase.UP
        ):
            self.complain(InvariantViolation("routed_to_up", f"{without_request(event)}"))

    async def play(self) -> None:
        """From the beginning to the end."""
        self._loop = asyncio.get_running_loop()
        self._model = make_model(self.world)
        self._build()
        self._expect_trouble()
        tasks = [self._loop.create_task(self._moved(each)) for each in self._of(Movement)]
        tasks += [self._loop.create_task(self._lived(client)) for client in self.clients]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_s(self.world))
        await self._settle()
        self._check()
        await self._close(tasks)

    def _build(self) -> None:
        world = self.world
        nodes = [Node(f"node-{number}") for number in range(world.num_nodes)]
        link = Link("cable", NODE_BANDWIDTH, world.latency_s, {"bandwidth": "ours", "latency_s": "ours"})
        topology = StarTopology([Node("front"), *nodes], link)
        self.network_faults = NetworkFaults(self.troubles.network(), world.seed)
        fabric = SimulatedFabric(topology, self.network_faults)
        self.backend = Backend(world, self.troubles, self._model, nodes, fabric, self.complain)
        names = [replica_name(number) for number in range(world.num_replicas)]
        policy = WatchedPolicy(make_route_policy(world.route), self.observe)
        how = names, nodes, policy, self.backend, self.backend, world.timing
        self.cluster = cluster = Cluster(*how, tells=world.tells, seed=world.seed)
        fabric.register(ROUTER, "front", lambda source, frame: cluster.receive(name_of(source), frame))
        self.backend.lost, self.backend.noticed = cluster.went_away, cluster.router.drain
        self.clients = [Client(plan, cluster.router, self.history, self.note) for plan in world.clients]

    def _of(self, kind: type[Any]) -> list[Any]:
        return [each for each in (*self.world.faults, *self.world.operations) if isinstance(each, kind)]

    def _expect_trouble(self) -> None:
        kinds: dict[type[Any], Callable[[Any], None]] = {
            Crash: self._crash,
            NodeCrash: self._crash_node,
            NodeReclaim: self._reclaim,
            Garbage: self._babble,
            Restart: self._restart,
            DrainOne: self._drain,
        }
        for kind, strike in kinds.items():
            for each in self._of(kind):
                self._loop.call_at(each.at_s, strike, each)

    def _crash(self, fault: Crash) -> None:
        self.troubles.injected["crash"] += 1
        self.backend.tells_losses, before = fault.told, self.backend.tells_losses
        self.backend.provisioning.crash(self.backend.address(replica_name(fault.replica)))
        self.backend.tells_losses = before

    def _crash_node(self, fault: NodeCrash) -> None:
        self.troubles.injected["node crash"] += 1
        self.backend.tells_losses, before = fault.told, self.backend.tells_losses
        self.backend.provisioning.crash_node(f"node-{fault.node}")
        self.backend.tells_losses = before

    def _reclaim(self, fault: NodeReclaim) -> None:
        self.troubles.injected["node reclaimed"] += 1
        self.backend.provisioning.reclaim_node(f"node-{fault.node}")

    def _babble(self, fault: Garbage) -> None:
        replica = self.backend.living().get(replica_name(fault.replica))
        if replica is not None:
            replica.babble(fault.babble)

    def _restart(self, operation: Restart) -> None:
        names = [replica_name(number) for number in range(self.world.num_replicas)]
        self._restarts.append(RollingRestart(names, operation.drain_s))
        self.cluster.controllers.append(self._restarts[-1])

    def _drain(self, operation: DrainOne) -> None:
        self.cluster.router.drain(replica_name(operation.replica))

    async def _moved(self, movement: Movement) -> None:
        await asyncio.sleep(movement.at_s)
        source = self.backend.address(replica_name(movement.source))
        target = self.backend.address(replica_name(movement.target))
        if source in self.backend.made and target in self.backend.made:
            try:
                await self.backend.fabric.transfer(source, target, movement.num_bytes)
            except ConnectionLost:
                self.troubles.injected["transfer lost"] += 1

    async def _lived(self, client: Client) -> None:
        await asyncio.sleep(client.plan.at_s)
        numbers = [each.plan.number for each in self.clients]
        followed = client.plan.follows
        await client.live(self.clients[numbers.index(followed)] if followed in numbers else None)

    async def _settle(self) -> None:
        """Until everything has healed, and what was under way is over."""
        world = self.world
        await asyncio.sleep(max(settled_s(world) - self._loop.time(), 0.0))
        for _ in range(ceil(restarted_s(world) / world.timing.heartbeat_s)):
            if not all(each.is_over for each in self._restarts):
                await asyncio.sleep(world.timing.heartbeat_s)
        if not all(each.is_over for each in self._restarts) and world.mode == "safety":
            self.complain(InvariantViolation("restart_ends", f"it has not at {self._loop.time():.3f} s"))
        await asyncio.sleep(world.timing.lease_s + late_kills_s(world) + 4.0 * world.engine.swap_s)

    def _check(self) -> None:
        world, cluster = self.world, self.cluster
        for violation in check_clients(world, cluster, self.backend, self.clients, self.history):
            self.complain(violation)
        for violation in (*check_up(world, cluster), *check_books(world, cluster, self.backend)):
            self.complain(violation)
        for loss in cluster.losses:
            self.note(loss)
        if self._digest is not None:
            for replica in self.backend.made.values():
                for event in replica.log.events():
                    self._digest.update(to_json_line(event).encode())

    async def _close(self, tasks: list[asyncio.Task[None]]) -> None:
        self.ended_s = self._loop.time()
        for task in tasks:
            task.cancel()
        self.cluster.close()
        await asyncio.sleep(late_kills_s(self.world) + 10.0 * self.world.latency_s + 0.1)
        for violation in check_nothing_left():
            self.complain(violation)
        self._model.close()

    def note_injected(self, plan: EngineFaults) -> None:
        """What fault points and the network did."""
        self.troubles.injected.update({f"fault point {name}": count for name, count in plan.injected.items()})
        hits = self.network_faults.hits
        self.troubles.injected.update({f"network {kind}": count for kind, count in hits.items()})


def _place(error: BaseException | None) -> str:
    """Where it was raised."""
    frames = traceback.extract_tb(error.__traceback__ if error is not None else None)
    return f" in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
