"""NVIDIA's Ada generation: L4, L40S, GeForce RTX 4090 (2022, 2023)."""

from weft.hardware.device import Device

_SYSTEMS = "ai-dynamo/aiconfigurator, systems"
_L4 = f"NVIDIA L4 Tensor Core GPU data sheet (2023), specifications; {_SYSTEMS}/l4.yaml"
_L40S = f"NVIDIA L40S GPU data sheet (2023), technical specifications; {_SYSTEMS}/l40s.yaml"
_ADA = "NVIDIA Ada GPU Architecture white paper (V2.02, 2023), appendix A, GeForce RTX 4090"


def _sources(document: str) -> dict[str, str]:
    return {
        "peak_flops": f"{document}: tensor cores without sparsity",
        "memory_bytes": f"{document}: memory",
        "memory_bandwidth": f"{document}: memory bandwidth",
        "cache_bytes": f"{document}: L2 cache",
        "power_peak_watts": f"{document}: maximum power",
        "peak_frequency_hz": f"{document}: GPU boost clock",
    }


L4 = Device(
    "L4",
    {
        "float32": 30.3e12,
        "tf32": 60e12,
        "float16": 121e12,
        "bfloat16": 121e12,
        "float8": 242.5e12,
        "int8": 242.5e12,
    },
    memory_bytes=24 * 2**30,
    memory_bandwidth=300e9,
    power_peak_watts=72.0,
    sources=_sources(_L4),
)
L40S = Device(
    "L40S",
    {
        "float32": 91.6e12,
        "tf32": 183e12,
        "float16": 362.05e12,
        "bfloat16": 362.05e12,
        "float8": 733e12,
        "int8": 733e12,
    },
    memory_bytes=48 * 2**30,
    memory_bandwidth=864e9,
    power_peak_watts=350.0,
    sources=_sources(_L40S),
)
RTX_4090 = Device(
    "RTX 4090",
    {
        "float32": 82.6e12,
        "tf32": 82.6e12,
        "float16": 165.2e12,
        "bfloat16": 165.2e12,
        "float8": 330.3e12,
        "int8": 660.6e12,
    },
    memory_bytes=24 * 2**30,
    memory_bandwidth=1008e9,
    cache_bytes=72 * 2**20,
    power_peak_watts=450.0,
    peak_frequency_hz=2.52e9,
    num_multiprocessors=128,
    sources={**_sources(_ADA), "num_multiprocessors": f"{_ADA}: 128 SMs"},
)
