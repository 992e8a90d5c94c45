"""A `Fabric` in virtual time: what actors send shares one network, and can go wrong as `NetworkFaults` say."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError, ConnectionLost
from weft.observation.conditions import sometimes
from weft.simulator.network_faults import NetworkFaults, on_clock
from weft.simulator.simulated_collectives import CollectiveKind, Collectives
from weft.simulator.simulated_connections import Connections
from weft.simulator.star_topology import StarTopology
from weft.simulator.virtual_time import running_agenda

UNDELIVERED = sometimes("fabric: a message came for an actor that was gone")
OVERTAKEN = sometimes("fabric: a message overtook an earlier one")

MOST_DATAGRAM_BYTES = 1 << 16
"""Larger messages take part in the sharing of the network; that smaller ones do not makes them cheap."""

Deliver = Callable[[str, object], object]
"""Told of a message that has come: from whom, and the message."""


class _Path(NamedTuple):
    """From an actor to another. `latency_ns`, and `byte_ns` on the slowest channel."""

    nodes: tuple[str, str]
    latency_ns: int
    byte_ns: float


class SimulatedFabric:
    """Actors by name, on the nodes of a topology.

    A message takes the latency between its nodes, and its bytes over the slowest channel's bandwidth; a large one moves
    and breaks as a transfer does. It goes to whoever has its target's name when it comes, and to nobody where none has;
    what an actor sends that is gone goes nowhere. `num_undelivered` counts both.
    """

    def __init__(self, topology: StarTopology, faults: NetworkFaults | None = None) -> None:
        self._topology, self._faults = topology, faults or NetworkFaults()
        self._agenda, self._loop = running_agenda(), asyncio.get_running_loop()
        self._nodes: dict[str, str] = {}
        self._receivers: dict[str, Deliver] = {}
        self._paths: dict[tuple[str, str], _Path] = {}
        self._latest_ns: dict[tuple[str, str], int] = {}
        self._connections = Connections(topology, self._faults, self._nodes, self._receivers)
        self._collectives = Collectives(self._connections, self._receivers)
        self._spares_messages = self._faults.spares_messages
        self._slowness: dict[str, float] = {}
        self.num_undelivered = 0
        self._expect_slowdowns()

    def register(self, name: str, node: str, deliver: Deliver) -> None:
        """An actor is there; it may send from now on.

        Raises `ConfigurationError` where its name is taken, and for an unknown node."""
        if name in self._receivers:
            raise ConfigurationError(f"actor {name!r} is registered already, on node {self._nodes[name]!r}")
        self._topology.route(node, node)
        self._nodes[name], self._receivers[name] = node, deliver
        self._paths.clear()

    def unregister(self, name: str) -> None:
        """An actor is gone, unless it was already: nothing reaches it, and what it was moving breaks."""
        if self._receivers.pop(name, None) is not None:
            self._paths.clear()
            self._connections.lose(name)
            self._collectives.lose(name)

    def send(self, source: str, target: str, message: object, num_bytes: int = 0) -> None:
        """See `Fabric`. Raises `ConfigurationError` where there never was such a sender, and for a size below 0."""
        path = self._paths.get((source, target))
        if path is None or not 0 <= num_bytes <= MOST_DATAGRAM_BYTES or not self._spares_messages:
            self._send_with_care(source, target, message, num_bytes)
            return
        when_ns = self._agenda.now_ns + path.latency_ns + round(num_bytes * path.byte_ns)
        self._agenda.call_at_ns(when_ns, self._deliver, (source, target, message))

    def transfer(self, source: str, target: str, num_bytes: int) -> asyncio.Future[None]:
        """See `Fabric`; cancelled, no more is sent. Raises `ConfigurationError` at once for actors that never were, and
        for a size below 0."""
        self._check(num_bytes, source, target)
        future: asyncio.Future[None] = self._loop.create_future()
        connection = self._connections.open(source, target, num_bytes, partial(_settle, future))
        future.add_done_callback(lambda _: self._connections.close(connection))
        return future

    def collective(self, kind: CollectiveKind, group: Sequence[str], num_bytes: int) -> asyncio.Future[None]:
        """See `Fabric`; every member calls it once, with the group in the same order, and again only when that has
        ended. Raises `ConfigurationError` at once for no members, for ones that never were or are named twice, and for
        a size below 0 or other than that of the members before."""
        self._check(num_bytes, *group)
        return self._collectives.join(kind, group, num_bytes)

    def _check(self, num_bytes: int, *actors: str) -> None:
        if num_bytes < 0:
            raise ConfigurationError(f"{actors[0]!r} moves {num_bytes} bytes; give at least 0")
        for actor in actors:
            if actor not in self._nodes:
                raise ConfigurationError(f"actor {actor!r} is unknown to the fabric; register it first")

    def _send_with_care(self, source: str, target: str, message: object, num_bytes: int) -> None:
        self._check(num_bytes, source)
        if source not in self._receivers or target not in self._nodes:
            self._go_nowhere()
            return
        path = self._paths.get((source, target)) or self._find_path(source, target)
        for late_s in self._faults.delays(*path.nodes, self._agenda.now_s):
            arguments = (source, target, message, num_bytes)
            if num_bytes > MOST_DATAGRAM_BYTES:
                self._agenda.call_at(self._agenda.now_s + late_s, self._send_large, arguments)
            else:
                self._send_small(path, late_s, *arguments)

    def _send_small(
        self, path: _Path, late_s: float, source: str, target: str, message: object, num_bytes: int
    ) -> None:
        late_ns = round(late_s * 1e9 + num_bytes * path.byte_ns)
        when_ns = self._agenda.now_ns + path.latency_ns + late_ns
        latest_ns = self._latest_ns.get((source, target), 0)
        if when_ns < latest_ns:
            OVERTAKEN.hit()
        self._latest_ns[source, target] = max(when_ns, latest_ns)
        self._agenda.call_at_ns(when_ns, self._deliver, (source, target, message))

    def _send_large(self, source: str, target: str, message: object, num_bytes: int) -> None:
        def ended(error: ConnectionLost | None) -> None:
            if error is None:
                self._deliver(source, target, message)

        self._connections.open(source, target, num_bytes, ended)

    def _deliver(self, source: str, target: str, message: object) -> None:
        receiver = self._receivers.get(target)
        if receiver is None:
            self._go_nowhere()
        else:
            receiver(source, message)

    def _go_nowhere(self) -> None:
        self.num_undelivered += 1
        UNDELIVERED.hit()

    def _find_path(self, source: str, target: str) -> _Path:
        nodes = self._nodes[source], self._nodes[target]
        route = self._topology.route(*nodes)
        latency_ns = round(sum(channel.latency_s for channel in route) * 1e9)
        byte_ns = max((1e9 / channel.bandwidth for channel in route), default=0.0)
        path = self._paths[source, target] = _Path(nodes, latency_ns, byte_ns)
        return path

    def _expect_slowdowns(self) -> None:
        plan = self._faults.plan
        for each in plan.slowdowns:
            for time_s in (each.from_s, each.until_s, plan.heals_at_s):
                if time_s < float("inf"):
                    self._agenda.call_at(on_clock(time_s), self._look_at_slowness, (each.node,))

    def _look_at_slowness(self, node: str) -> None:
        factor = self._faults.slowness(node, self._agenda.now_s)
        if factor > self._slowness.get(node, 1.0):
            self._faults.hit("slowdown")
        self._slowness[node] = factor
        self._topology.slow(node, factor)
        self._paths.clear()


def _settle(future: asyncio.Future[None], error: ConnectionLost | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
