"""Runs of a simulated fabric among actors on toy nodes, for tests."""

import asyncio
from collections.abc import Callable

from tests.simulator.toy_network import NODES, star
from weft.simulator.network_faults import NetworkFaultPlan, NetworkFaults
from weft.simulator.simulated_fabric import SimulatedFabric
from weft.simulator.virtual_time import run, running_agenda

Received = list[tuple[float, str, str, object]]


class Fixture:
    """A fabric with an actor of the same name in capitals on each toy node. `received`: (when, by whom, of whom, what).
    `ended`: by name, when what `watch` was given ended, and the error."""

    def __init__(self, plan: NetworkFaultPlan, seed: int = 0) -> None:
        self.faults = NetworkFaults(plan, seed)
        self.fabric = SimulatedFabric(star(), self.faults)
        self.agenda = running_agenda()
        self.received: Received = []
        self.ended: dict[str, tuple[float, str]] = {}
        for node in NODES:
            self.register(node.upper(), node)

    def register(self, name: str, node: str) -> None:
        def deliver(source: str, message: object) -> None:
            self.received.append((self.agenda.now_s, name, source, message))

        self.fabric.register(name, node, deliver)

    def send(self, message: object, num_bytes: int = 0, target: str = "B", source: str = "A") -> None:
        self.fabric.send(source, target, message, num_bytes)

    def watch(self, name: str, future: "asyncio.Future[None]") -> None:
        def note(ended: "asyncio.Future[None]") -> None:
            error = None if ended.cancelled() else ended.exception()
            said = "cancelled" if ended.cancelled() else str(error or "")
            self.ended[name] = (round(self.agenda.now_s, 9), said.rpartition(": ")[2])

        future.add_done_callback(note)

    def at(self, time_s: float, callback: Callable[..., object], *arguments: object) -> None:
        self.agenda.call_at(time_s, callback, arguments)


def played(
    play: Callable[[Fixture], object],
    plan: NetworkFaultPlan | None = None,
    seed: int = 0,
    until_s: float = 1e4,
) -> Fixture:
    """What came of it: `play` is called at time 0."""

    async def main() -> Fixture:
        fixture = Fixture(plan or NetworkFaultPlan(), seed)
        play(fixture)
        await asyncio.sleep(until_s)
        return fixture

    return run(main())
