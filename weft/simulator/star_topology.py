"""Nodes around one switch: which channels of the network lie between two of them."""

from collections.abc import Sequence

from weft.cluster.nodes import Node
from weft.contracts.errors import ConfigurationError
from weft.hardware.cluster import Link
from weft.simulator.flow_network import Channel, FlowNetwork, Route


class StarTopology:
    """The channels of some nodes, in a network of their own, `network`.

    Bytes between actors of one node pass its inner channel, which has the bandwidth of all its devices' links; on a
    node without hardware, actors share a process and nothing lies between them. Bytes between nodes leave through the
    network cards of one, one per device as `node_link` says, and come in through those of the other, each way on its
    own; half of that link's latency is on either side. State is striped over all devices of a node, so one flow may
    use all of them.

    `oversubscription`: by how much the cards together surpass the switch; None for a switch that never fills up.
    Raises `ConfigurationError` for two nodes of one name, and for an oversubscription below 1.
    """

    def __init__(self, nodes: Sequence[Node], node_link: Link, oversubscription: float | None = None) -> None:
        self.network = FlowNetwork()
        self._inner: dict[str, Channel | None] = {}
        self._out: dict[str, Channel] = {}
        self._into: dict[str, Channel] = {}
        for node in nodes:
            if node.name in self._out:
                raise ConfigurationError(f"two nodes are called {node.name!r}; give each its own name")
            self._add(node, node_link)
        self._switch: tuple[Channel, ...] = ()
        if oversubscription is not None:
            self._switch = (self._make_switch(oversubscription),)

    def _add(self, node: Node, node_link: Link) -> None:
        name, hardware = node.name, node.hardware
        num_devices = 1 if hardware is None else hardware.num_devices
        bandwidth, latency_s = num_devices * node_link.bandwidth, node_link.latency_s / 2
        self._out[name] = self.network.channel(f"{name} out", bandwidth, latency_s)
        self._into[name] = self.network.channel(f"{name} in", bandwidth, latency_s)
        self._inner[name] = None
        if hardware is not None:
            link = hardware.device_link
            self._inner[name] = self.network.channel(name, num_devices * link.bandwidth, link.latency_s)

    def _make_switch(self, oversubscription: float) -> Channel:
        if not 1.0 <= oversubscription < float("inf"):
            raise ConfigurationError(
                f"oversubscription is {oversubscription}; give a finite number of at least 1, or None"
            )
        bandwidth = sum(channel.bandwidth for channel in self._out.values())
        return self.network.channel("switch", bandwidth / oversubscription, 0.0)

    def route(self, source: str, target: str) -> Route:
        """From one node to another, or to itself. Raises `ConfigurationError` for a node that is not there."""
        self._check(source)
        self._check(target)
        if source != target:
            return (self._out[source], *self._switch, self._into[target])
        inner = self._inner[source]
        return () if inner is None else (inner,)

    def slow(self, node: str, factor: float) -> None:
        """See `FlowNetwork.slow`, of all channels of a node. Raises `ConfigurationError` for one that is not there."""
        for channel in (*self.route(node, node), self._out[node], self._into[node]):
            self.network.slow(channel, factor)

    def _check(self, node: str) -> None:
        if node not in self._out:
            raise ConfigurationError(f"node {node!r} is unknown; there are {', '.join(self._out) or 'none'}")
