"""Nodes and links of round numbers, and runs in virtual time, for networks worked out by hand."""

import asyncio
from collections.abc import Callable

from tests.costs.toy_hardware import DEVICE, FAR, NEAR
from weft.cluster.nodes import Node
from weft.hardware.cluster import Node as Hardware
from weft.simulator.star_topology import StarTopology
from weft.simulator.virtual_time import run, running_agenda

NODES = ("a", "b", "c", "d")


def star(num_devices: int = 1, oversubscription: float | None = None) -> StarTopology:
    """Four nodes: 100 bytes/s and 0.5 s within each per device, 10 bytes/s and 2 s between them."""
    hardware = Hardware(DEVICE, num_devices, NEAR, NEAR)
    return StarTopology([Node(name, hardware) for name in NODES], FAR, oversubscription)


def times(
    play: Callable[[Callable[[str], Callable[[], None]]], object], until_s: float = 1e6
) -> dict[str, float]:
    """When each thing that `play` wants marked came to pass, in seconds, in that order."""
    seen: dict[str, float] = {}

    async def main() -> None:
        agenda = running_agenda()

        def mark(name: str) -> Callable[[], None]:
            def now() -> None:
                assert name not in seen
                seen[name] = agenda.now_s

            return now

        play(mark)
        await asyncio.sleep(until_s)

    run(main())
    return seen
