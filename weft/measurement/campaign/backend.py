"""Fabric and provisioning of a world: those of the simulator, on which every incarnation has an address of its own.

So what is killed late speaks on, and messages for a former incarnation reach nobody else.
"""

import asyncio
from collections.abc import Callable
from random import Random

from weft.cluster.messages import Frame, Submit
from weft.cluster.nodes import Node
from weft.contracts.errors import InvariantViolation, StartFailed
from weft.measurement.campaign.actors import CampaignReplica, Complain
from weft.measurement.campaign.faults import FailureClock, HangingStart, StartFailures
from weft.measurement.campaign.models import CampaignModel
from weft.measurement.campaign.settling import late_kills_s
from weft.measurement.campaign.troubles import Troubles
from weft.measurement.campaign.world import World
from weft.simulator.node_lives import ColdStart
from weft.simulator.simulated_fabric import SimulatedFabric
from weft.simulator.simulated_provisioning import SimulatedProvisioning

ROUTER = "router"


class Member:
    """What runs at an address: a replica, which is known to the fabric until it ends."""

    def __init__(self, replica: CampaignReplica, address: str, fabric: SimulatedFabric) -> None:
        self.replica, self._address, self._fabric = replica, address, fabric

    def close(self) -> None:
        """See `SimulatedActor`."""
        self._fabric.unregister(self._address)
        self.replica.close()


class Backend:
    """`Messages` and `Provisioning` of a cluster. `starts`: when which replica was; `made`: all that ever were, by
    address; `living`: those that have not ended. `lost` is told of those that end unasked while it `tells_losses`,
    `noticed` of those that will."""

    def __init__(
        self,
        world: World,
        troubles: Troubles,
        model: CampaignModel,
        nodes: list[Node],
        fabric: SimulatedFabric,
        complain: Complain,
    ) -> None:
        self._world, self._troubles, self._complain = world, troubles, complain
        self._loop = asyncio.get_running_loop()
        self._late_s = late_kills_s(world)
        self._addresses: dict[str, str] = {}
        self._hanging: dict[str, None] = {}
        self._stopping: dict[str, None] = {}
        self.fabric, self.model = fabric, model
        self.tells_losses = any(each.told for each in world.faults if isinstance(each, FailureClock))
        self.made: dict[str, CampaignReplica] = {}
        self.starts: list[tuple[float, str]] = []
        self.lost: Callable[[str, int, str], object] = lambda name, incarnation, reason: None
        self.noticed: Callable[[str], object] = lambda name: None
        self.provisioning = SimulatedProvisioning(
            nodes,
            self._make,
            self._tell_lost,
            lambda address, deadline_s: self.noticed(name_of(address)),
            ColdStart(world.cold_start_s, spread=0.2),
            troubles.nodes(),
            world.seed,
        )

    def living(self) -> dict[str, CampaignReplica]:
        """Replicas that have not ended, by name."""
        return {name_of(address): replica for address, replica in self.made.items() if not replica.has_ended}

    def address(self, name: str) -> str:
        """Of the incarnation that was started last."""
        return self._addresses.get(name, name)

    def send(self, source: str, target: str, message: object, num_bytes: int = 0) -> None:
        """See `Messages`."""
        if isinstance(message, Frame) and isinstance(message.message, Submit):
            num_bytes = self._world.submit_bytes
        self.fabric.send(source, self.address(target), message, num_bytes)

    async def start(self, actor: str, node: str, incarnation: int) -> None:
        """See `Provisioning`."""
        if actor in self._stopping:
            detail = f"{actor} is started while its former incarnation is being stopped"
            self._complain(InvariantViolation("starts_after_stop", detail))
        address = self._addresses[actor] = f"{actor}#{incarnation}"
        self.starts.append((self._loop.time(), actor))
        self._hanging[address] = None
        for hanging in self._troubles.in_force(HangingStart, _number(actor)):
            self._troubles.injected["hanging start"] += 1
            await asyncio.sleep(min(self._troubles.end_s(hanging.until_s) - self._loop.time(), 1e6))
        if address not in self._hanging:
            raise StartFailed(actor, node, "it was ended")
        del self._hanging[address]
        await self.provisioning.start(address, node, incarnation)

    def _tell_lost(self, address: str, incarnation: int, reason: str) -> None:
        if self.tells_losses:
            self.lost(name_of(address), incarnation, reason)

    def _make(self, address: str, node: Node, incarnation: int) -> Member:
        number = _number(name_of(address))
        chances = [each.chance for each in self._troubles.in_force(StartFailures, number)]
        if self._troubles.strikes(chances, Random(f"{self._world.seed}/start/{address}"), "failed start"):
            raise StartFailed(address, node.name, "the world has it fail")

        def send(frame: object) -> None:
            self.fabric.send(address, ROUTER, frame)

        how = self._world, number, incarnation, self._troubles, self.model, send, self._complain
        self.fabric.register(address, node.name, lambda source, frame: self._receive(address, frame))
        replica = self.made[address] = CampaignReplica(*how)
        return Member(replica, address, self.fabric)

    def _receive(self, address: str, frame: object) -> None:
        assert isinstance(frame, Frame)
        self.made[address].receive(frame)

    def notice(self, actor: str, deadline_s: float) -> None:
        """See `Provisioning`."""
        self.provisioning.notice(self.address(actor), deadline_s)

    async def stop(self, actor: str) -> None:
        """See `Provisioning`."""
        address = self.address(actor)
        self._stopping[actor] = None
        await asyncio.sleep(self._late_s)
        self._stopping.pop(actor, None)
        self.provisioning.kill(address)

    def kill(self, actor: str) -> None:
        """See `Provisioning`."""
        address = self.address(actor)
        self._stopping.pop(actor, None)  # it was given up meanwhile, and waited for no more
        self._hanging.pop(address, None)
        if self._late_s:
            self._troubles.injected["late kill"] += 1
            self._loop.call_later(self._late_s, self.provisioning.kill, address)
        else:
            self.provisioning.kill(address)


def name_of(address: str) -> str:
    """Of the replica that has an address."""
    return address.partition("#")[0]


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
