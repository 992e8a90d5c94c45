"""Devices and links of round numbers, for costs worked out by hand."""

from weft.hardware.cluster import Cluster, Link, Node
from weft.hardware.device import Device

_SAID = "the test"
DEVICE = Device(
    "Toy",
    {"float16": 1000.0, "bfloat16": 1000.0, "float32": 100.0},
    memory_bytes=100_000,
    memory_bandwidth=10.0,
    power_peak_watts=7.0,
    peak_frequency_hz=50.0,
    lowest_frequency_hz=5.0,
    sources=dict.fromkeys(
        (
            "peak_flops",
            "memory_bytes",
            "memory_bandwidth",
            "power_peak_watts",
            "peak_frequency_hz",
            "lowest_frequency_hz",
        ),
        _SAID,
    ),
)
NEAR = Link("near", 100.0, 0.5, {"bandwidth": _SAID, "latency_s": _SAID})
FAR = Link("far", 10.0, 2.0, {"bandwidth": _SAID, "latency_s": _SAID})


def cluster(num_devices: int = 4, num_nodes: int = 1) -> Cluster:
    return Cluster(Node(DEVICE, num_devices, NEAR, NEAR), num_nodes, FAR)
