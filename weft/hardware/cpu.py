"""A server processor that stands for CPUs in general: one socket of Intel Xeon Platinum 8480+ (2023)."""

from weft.hardware.device import Device

_ARK = "Intel ARK, Xeon Platinum 8480+"
_DGX = "NVIDIA DGX H100 system (docs.nvidia.com/dgx-basepod), whose Xeon Platinum 8480C is its sibling"
_MANUAL = "Intel 64 and IA-32 Architectures Optimization Reference Manual (2023)"

CPU = Device(
    "CPU (Xeon Platinum 8480+)",
    {"float32": 7.168e12, "bfloat16": 114.7e12, "int8": 229.4e12},
    memory_bandwidth=307.2e9,
    cache_bytes=105 * 2**20,
    power_peak_watts=350.0,
    peak_frequency_hz=2.0e9,
    sources={
        "peak_flops": f"{_ARK}: 56 cores at 2.0 GHz, two AVX-512 FMA units; {_MANUAL}, Intel AMX: 1,024 bfloat16 "
        "or 2,048 int8 operations per cycle and core",
        "memory_bandwidth": f"{_ARK}: 8 channels of DDR5-4800",
        "cache_bytes": f"{_ARK}: 105 MB of cache",
        "power_peak_watts": f"{_ARK}: TDP",
        "peak_frequency_hz": f"{_ARK}: base frequency, at which the peaks above are computed; {_DGX}",
    },
)
