"""Links that the catalogue's nodes are built of.

Bandwidths are the vendors', per device and direction (half of the bidirectional figure that they mostly state).
Latencies are those per hop with which NCCL chooses between its algorithms, in its protocol for small messages.
"""

from weft.hardware.cluster import Link

_NCCL = "NVIDIA/nccl at b647562, src/graph/tuning.cc, hwLat, ring, LL: "
_NVLINK_LATENCY, _PCIE_LATENCY, _NET_LATENCY = 0.6e-6, 1.0e-6, 2.7e-6


def _nvlink(generation: int, bandwidth: float, source: str) -> Link:
    latency = f"{_NCCL}NVLINK"
    return Link(
        f"NVLink {generation}", bandwidth, _NVLINK_LATENCY, {"bandwidth": source, "latency_s": latency}
    )


def _pcie(generation: int, bandwidth: float, source: str) -> Link:
    latency = f"{_NCCL}PCI"
    return Link(
        f"PCIe {generation} x16", bandwidth, _PCIE_LATENCY, {"bandwidth": source, "latency_s": latency}
    )


def _infiniband(name: str, bandwidth: float, source: str) -> Link:
    return Link(name, bandwidth, _NET_LATENCY, {"bandwidth": source, "latency_s": f"{_NCCL}NET"})


NVLINK_3 = _nvlink(3, 300e9, "NVIDIA A100 data sheet (June 2021), Interconnect: 600 GB/s both ways")
NVLINK_4 = _nvlink(4, 450e9, "NVIDIA H100 data sheet (2023), Interconnect: 900 GB/s both ways")
NVLINK_5 = _nvlink(5, 900e9, "NVIDIA/exemplar-performance, README.md, B200: 1.8 TB/s both ways")
PCIE_4 = _pcie(4, 32e9, "NVIDIA L40S data sheet (2023), Interconnect: PCIe Gen4 x16, 64 GB/s both ways")
PCIE_5 = _pcie(5, 64e9, "NVIDIA H100 data sheet (2023), Interconnect: PCIe Gen5, 128 GB/s both ways")
HDR_200 = _infiniband(
    "InfiniBand HDR",
    25e9,
    "NVIDIA DGX A100 data sheet (2021), Networking: 8 ports of 200 Gb/s, one per GPU",
)
NDR_400 = _infiniband(
    "InfiniBand NDR",
    50e9,
    "NVIDIA DGX H100 and B200 (docs.nvidia.com/dgx-basepod, core components): 8 ports of 400 Gb/s, one per GPU",
)
INFINITY_FABRIC = Link(
    "Infinity Fabric",
    448e9,
    _PCIE_LATENCY,
    {
        "bandwidth": "AMD CDNA 3 Architecture white paper, communication and scaling: 7 links of 16 lanes of 32 Gb/s",
        "latency_s": f"{_NCCL}PCI, taken for want of a figure of AMD's",
    },
)
HOST_MEMORY = Link(
    "DDR5 memory of the host",
    307.2e9,
    _PCIE_LATENCY,
    {
        "bandwidth": "Intel ARK, Xeon Platinum 8480+, Memory: 8 channels of DDR5-4800 (8 bytes each)",
        "latency_s": f"{_NCCL}PCI, taken for a copy within the host",
    },
)
