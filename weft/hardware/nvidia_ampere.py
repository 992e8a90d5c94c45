"""NVIDIA A100 (2020)."""

from weft.hardware.device import Device

_SHEET = "NVIDIA A100 Tensor Core GPU data sheet (June 2021), specifications"
_WHITE_PAPER = "NVIDIA A100 Tensor Core GPU Architecture white paper (2020)"
_EC2 = "aws.amazon.com/ec2/capacityblocks/pricing"
_CAPACITY_BLOCKS = f"Amazon EC2 Capacity Blocks ({_EC2}, December 2024), US East (Ohio), per accelerator"

_PEAKS = {"float32": 19.5e12, "tf32": 156e12, "float16": 312e12, "bfloat16": 312e12, "int8": 624e12}
_SOURCES = {
    "peak_flops": f"{_SHEET}, without sparsity; {_WHITE_PAPER}, table 4",
    "memory_bytes": f"{_SHEET}, GPU Memory",
    "memory_bandwidth": f"{_SHEET}, GPU Memory Bandwidth",
    "cache_bytes": f"{_WHITE_PAPER}, table 4: 40 MB of L2",
    "cache_bandwidth": f"{_WHITE_PAPER}, page 35: 5,120 bytes per clock, at 1,410 MHz",
    "power_peak_watts": f"{_SHEET}, Max Thermal Design Power",
    "peak_frequency_hz": f"{_WHITE_PAPER}, table 4: GPU boost clock",
    "price_per_hour": _CAPACITY_BLOCKS,
}

A100_40GB = Device(
    "A100 SXM 40 GB",
    _PEAKS,
    memory_bytes=40 * 2**30,
    memory_bandwidth=1555e9,
    cache_bytes=40 * 2**20,
    cache_bandwidth=7.219e12,
    power_peak_watts=400.0,
    peak_frequency_hz=1.41e9,
    price_per_hour=1.844,
    sources=_SOURCES,
)
A100_80GB = Device(
    "A100 SXM 80 GB",
    _PEAKS,
    memory_bytes=80 * 2**30,
    memory_bandwidth=2039e9,
    cache_bytes=40 * 2**20,
    cache_bandwidth=7.219e12,
    power_peak_watts=400.0,
    peak_frequency_hz=1.41e9,
    sources=_SOURCES,
)
