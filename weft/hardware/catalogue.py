"""Devices and clusters by name."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from weft.contracts.errors import ConfigurationError
from weft.hardware.amd_instinct import MI300X
from weft.hardware.cluster import Cluster, Link, Node
from weft.hardware.cpu import CPU
from weft.hardware.device import Device
from weft.hardware.links import (
    HDR_200,
    HOST_MEMORY,
    INFINITY_FABRIC,
    NDR_400,
    NVLINK_3,
    NVLINK_4,
    NVLINK_5,
    PCIE_4,
    PCIE_5,
)
from weft.hardware.nvidia_ada import L4, L40S, RTX_4090
from weft.hardware.nvidia_ampere import A100_40GB, A100_80GB
from weft.hardware.nvidia_blackwell import B200_SXM, B300_SXM, RTX_PRO_6000
from weft.hardware.nvidia_hopper import H100_PCIE, H100_SXM, H200_SXM

MOST_DEVICES_PER_NODE = 8
"""As in every server of these devices that their vendors offer; also bounds a wrong number."""

MOST_NODES = 100_000
"""About as many as the largest machine has; bounds a wrong number."""


@dataclass(frozen=True, slots=True)
class Host:
    """A server for eight devices: memory and disks in bytes, and the document that states both."""

    memory_bytes: int
    ssd_bytes: int
    source: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A device in the surroundings it is mostly found in: links to its like, to the host, to other nodes.

    `host`: None where no source was at hand; fewer than eight devices get a share of it.
    """

    device: Device
    device_link: Link
    host_link: Link
    node_link: Link
    host: Host | None = None

    def node(self, num_devices: int) -> Node:
        """A node with so many of the devices."""
        if self.host is None:
            return Node(self.device, num_devices, self.device_link, self.host_link)
        return Node(
            self.device,
            num_devices,
            self.device_link,
            self.host_link,
            host_memory_bytes=self.host.memory_bytes * num_devices // MOST_DEVICES_PER_NODE,
            ssd_bytes=self.host.ssd_bytes * num_devices // MOST_DEVICES_PER_NODE,
            sources=dict.fromkeys(("host_memory_bytes", "ssd_bytes"), self.host.source),
        )


_EC2 = "Amazon EC2 Capacity Blocks for ML (aws.amazon.com/ec2/capacityblocks/pricing, December 2024)"
P4D = Host(1152 * 2**30, 8 * 10**12, f"{_EC2}, p4d.24xlarge: 1,152 GiB and 8 x 1 TB")
P5 = Host(2048 * 2**30, 8 * 3_840_000_000_000, f"{_EC2}, p5.48xlarge: 2,048 GiB and 8 x 3.84 TB")

MACHINES: dict[str, Machine] = {
    "a100-40gb": Machine(A100_40GB, NVLINK_3, PCIE_4, HDR_200, P4D),
    "a100": Machine(A100_80GB, NVLINK_3, PCIE_4, HDR_200, P4D),
    "h100": Machine(H100_SXM, NVLINK_4, PCIE_5, NDR_400, P5),
    "h100-pcie": Machine(H100_PCIE, PCIE_5, PCIE_5, NDR_400),
    "h200": Machine(H200_SXM, NVLINK_4, PCIE_5, NDR_400, P5),
    "b200": Machine(B200_SXM, NVLINK_5, PCIE_5, NDR_400),
    "b300": Machine(B300_SXM, NVLINK_5, PCIE_5, NDR_400),
    "l4": Machine(L4, PCIE_4, PCIE_4, HDR_200),
    "l40s": Machine(L40S, PCIE_4, PCIE_4, HDR_200),
    "rtx-4090": Machine(RTX_4090, PCIE_4, PCIE_4, HDR_200),
    "rtx-pro-6000": Machine(RTX_PRO_6000, PCIE_5, PCIE_5, NDR_400),
    "mi300x": Machine(MI300X, INFINITY_FABRIC, PCIE_5, NDR_400),
    "cpu": Machine(CPU, HOST_MEMORY, HOST_MEMORY, HDR_200),
}
"""By the name that users give."""

ALIASES = {
    "a100-80gb": "a100",
    "h100-sxm": "h100",
    "h200-sxm": "h200",
    "b200-sxm": "b200",
    "b300-sxm": "b300",
}


def find_machine(name: str) -> Machine:
    """By name, whatever its case, spaces or underscores; raises `ConfigurationError` with the nearest known one."""
    plain = re.sub(r"[\s_-]+", "-", name.strip().lower())
    known = {key.replace("-", ""): key for key in (*MACHINES, *ALIASES)}
    key = known.get(plain.replace("-", ""))
    if key is None:
        nearest = get_close_matches(plain, [*MACHINES, *ALIASES], n=1)
        advice = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(MACHINES)}"
        raise ConfigurationError(f"hardware {name!r} is unknown; {advice}")
    return MACHINES[ALIASES.get(key, key)]


def find_device(name: str) -> Device:
    """The device of that name; raises `ConfigurationError` for an unknown one."""
    return find_machine(name).device


def find_cluster(notation: str) -> Cluster:
    """`h100`: one device. `8xh100`: a node of eight. `4x8xh100`: four such nodes, connected.

    Raises `ConfigurationError` for an unknown device and for counts that cannot be.
    """
    counts, name = _split(notation)
    num_nodes, num_devices = (1, *counts)[-2:] if counts else (1, 1)
    machine = find_machine(name)
    if len(counts) > 2 or not 1 <= num_devices <= MOST_DEVICES_PER_NODE or not 1 <= num_nodes <= MOST_NODES:
        raise ConfigurationError(
            f"hardware {notation!r}: write [nodes x] devices x name, with 1 to {MOST_DEVICES_PER_NODE} devices in a "
            f"node, as 8x{name} or 2x8x{name}"
        )
    return Cluster(machine.node(num_devices), num_nodes, machine.node_link if num_nodes > 1 else None)


def _split(notation: str) -> tuple[tuple[int, ...], str]:
    """The counts in front, and the name; `rtx` keeps its x, for only digits before an x are a count."""
    counts: list[int] = []
    rest = notation.strip()
    while match := re.match(r"(\d{1,9})\s*[x×]\s*", rest):
        counts.append(int(match.group(1)))
        rest = rest[match.end() :]
    return tuple(counts), rest
