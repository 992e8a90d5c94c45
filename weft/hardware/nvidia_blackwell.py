"""NVIDIA's Blackwell generation: B200, B300, RTX PRO 6000 Server Edition (2024, 2025)."""

from weft.hardware.device import Device

_EXEMPLAR = "NVIDIA/exemplar-performance, README.md"
_B200 = f"{_EXEMPLAR}, B200 Reference Architecture"
_HGX = "NVIDIA Blackwell Architecture technical brief (2024), HGX B200, per GPU"
_DGX_B300 = "NVIDIA DGX B300 data sheet (2025), specifications, an eighth"
_PRO = "NVIDIA RTX PRO 6000 Blackwell Server Edition product page and data sheet (2025), specifications"

B200_SXM = Device(
    "B200 SXM",
    {
        "float32": 80e12,
        "tf32": 1100e12,
        "float16": 2250e12,
        "bfloat16": 2250e12,
        "float8": 4500e12,
        "int8": 4500e12,
        "float4": 9000e12,
    },
    memory_bytes=180 * 2**30,
    memory_bandwidth=7700e9,
    power_peak_watts=1000.0,
    sources={
        "peak_flops": f"{_HGX}, half of the figures with sparsity; NVIDIA/exemplar-performance, README.md",
        "memory_bytes": f"{_B200}: 180 GB of HBM3e",
        "memory_bandwidth": f"{_B200}: 7.7 TB/s; the same from NVIDIA's Blackwell data sheet in "
        "ai-dynamo/aiconfigurator, pull request 1246",
        "power_peak_watts": f"{_B200}: TDP",
    },
)
B300_SXM = Device(
    "B300 SXM",
    {"float16": 2250e12, "bfloat16": 2250e12, "float8": 4500e12, "float4": 13500e12},
    memory_bytes=270 * 10**9,
    memory_bandwidth=7700e9,
    power_peak_watts=1100.0,
    sources={
        "peak_flops": f"{_DGX_B300}: 108 Pflops FP4; 72 Pflops FP8 with sparsity, halved without it and per "
        "doubled width",
        "memory_bytes": f"{_EXEMPLAR}, B300 Reference Architecture: 270 GB",
        "memory_bandwidth": f"{_EXEMPLAR}, B300 Reference Architecture: 7.7 TB/s",
        "power_peak_watts": "NVIDIA HGX B300 (2025): maximum power per GPU",
    },
)
RTX_PRO_6000 = Device(
    "RTX PRO 6000 Blackwell Server",
    {"float32": 120e12, "float16": 500e12, "bfloat16": 500e12, "float8": 1000e12, "float4": 2000e12},
    memory_bytes=96 * 2**30,
    memory_bandwidth=1597e9,
    cache_bytes=128 * 2**20,
    power_peak_watts=600.0,
    num_multiprocessors=188,
    sources={
        "peak_flops": f"{_PRO}: 120 Tflops FP32; 4 Pflops FP4 with sparsity, halved without it and per doubled width",
        "memory_bytes": f"{_PRO}: 96 GB GDDR7",
        "memory_bandwidth": f"{_PRO}: 1,597 GB/s",
        "cache_bytes": "NVIDIA RTX Blackwell PRO GPU Architecture white paper (2025): 128 MB of L2",
        "power_peak_watts": f"{_PRO}: up to 600 W, configurable",
        "num_multiprocessors": f"{_PRO}: 24,064 CUDA cores, 128 of them in each",
    },
)
