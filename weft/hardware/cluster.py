"""Links between devices, nodes of equal devices, clusters of equal nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weft.contracts.errors import ConfigurationError
from weft.hardware.device import Device
from weft.hardware.figures import check_sources, needed


@dataclass(frozen=True, slots=True)
class Link:
    """What connects devices. `bandwidth`: bytes per second that a device sends, and as many that it gets at the
    same time. `latency_s`: of one hop. `sources` as those of `Device`."""

    name: str
    bandwidth: float
    latency_s: float
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_sources(self.name, {"bandwidth": self.bandwidth, "latency_s": self.latency_s}, self.sources)

    def seconds(self, num_bytes: float) -> float:
        """Until the last of so many bytes has arrived, over a link that is otherwise idle."""
        return self.latency_s + num_bytes / self.bandwidth


@dataclass(frozen=True, slots=True)
class Node:
    """`num_devices` equal devices in one machine.

    `device_link`: between any two of them; `host_link`: from each to host memory. `host_memory_bytes`, and
    `ssd_bytes` with `ssd_bandwidth` (reading, bytes per second): of the whole machine; None where not known.
    """

    device: Device
    num_devices: int
    device_link: Link
    host_link: Link
    host_memory_bytes: int | None = None
    ssd_bytes: int | None = None
    ssd_bandwidth: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_devices < 1:
            raise ConfigurationError(f"num_devices is {self.num_devices}; a node has at least 1")
        figures = {name: getattr(self, name) for name in ("host_memory_bytes", "ssd_bytes", "ssd_bandwidth")}
        check_sources(f"node of {self.device.name}", figures, self.sources)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Equal nodes. `node_link`: between devices of different nodes; None where they are not connected."""

    node: Node
    num_nodes: int = 1
    node_link: Link | None = None

    def __post_init__(self) -> None:
        if self.num_nodes < 1:
            raise ConfigurationError(f"num_nodes is {self.num_nodes}; a cluster has at least 1")
        if self.num_nodes > 1 and self.node_link is None:
            raise ConfigurationError(f"{self.num_nodes} nodes need a node_link")

    @property
    def device(self) -> Device:
        """What every node is made of."""
        return self.node.device

    @property
    def num_devices(self) -> int:
        """In all nodes."""
        return self.num_nodes * self.node.num_devices

    def link_across(self, num_devices: int) -> Link:
        """The slowest link among so many consecutive devices, the first of which is the first of a node."""
        if num_devices <= self.node.num_devices or self.node_link is None:
            return self.node.device_link
        return self.node_link

    def price_per_hour(self) -> float:
        """In US dollars; raises `ConfigurationError` where no source states a price."""
        price = self.device.price_per_hour
        return self.num_devices * needed(self.device.name, "price_per_hour", price)
