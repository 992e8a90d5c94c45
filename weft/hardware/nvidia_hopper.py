"""NVIDIA H100 and H200 (2022, 2023)."""

from weft.hardware.device import Device

_H100 = "NVIDIA H100 Tensor Core GPU data sheet (2023), technical specifications"
_H200 = "NVIDIA H200 Tensor Core GPU data sheet (2023), specifications; ai-dynamo/aiconfigurator, systems/h200_sxm.yaml"
_WHITE_PAPER = "NVIDIA H100 Tensor Core GPU Architecture white paper (2023), comparison of data center GPUs"
_DYNAMO = "Stojkovic et al., DynamoLLM (arXiv 2408.00741), section 3: 800 to 1,980 MHz (not confirmed)"
_EC2 = "aws.amazon.com/ec2/capacityblocks/pricing"
_CAPACITY_BLOCKS = f"Amazon EC2 Capacity Blocks ({_EC2}, December 2024), US East, per accelerator"


def _sources(sheet: str) -> dict[str, str]:
    return {
        "peak_flops": f"{_WHITE_PAPER}, without sparsity; {sheet}",
        "memory_bytes": f"{sheet}, GPU memory",
        "memory_bandwidth": f"{sheet}, GPU memory bandwidth",
        "cache_bytes": f"{_WHITE_PAPER}: 50 MB of L2",
        "power_peak_watts": f"{sheet}, Max thermal design power",
        "peak_frequency_hz": f"{_WHITE_PAPER}: GPU boost clock, at which the peaks are stated",
        "lowest_frequency_hz": _DYNAMO,
        "price_per_hour": _CAPACITY_BLOCKS,
    }


_SXM_PEAKS = {
    "float32": 66.9e12,
    "tf32": 494.7e12,
    "float16": 989.4e12,
    "bfloat16": 989.4e12,
    "float8": 1978.9e12,
    "int8": 1978.9e12,
}

H100_SXM = Device(
    "H100 SXM",
    _SXM_PEAKS,
    memory_bytes=80 * 2**30,
    memory_bandwidth=3350e9,
    cache_bytes=50 * 2**20,
    power_peak_watts=700.0,
    peak_frequency_hz=1.83e9,
    lowest_frequency_hz=0.8e9,
    price_per_hour=4.916,
    sources=_sources(_H100),
)
H100_PCIE = Device(
    "H100 PCIe",
    {
        "float32": 51.2e12,
        "tf32": 378e12,
        "float16": 756e12,
        "bfloat16": 756e12,
        "float8": 1513e12,
        "int8": 1513e12,
    },
    memory_bytes=80 * 2**30,
    memory_bandwidth=2000e9,
    cache_bytes=50 * 2**20,
    power_peak_watts=350.0,
    sources=_sources(_H100),
)
H200_SXM = Device(
    "H200 SXM",
    _SXM_PEAKS,
    memory_bytes=141 * 2**30,
    memory_bandwidth=4800e9,
    cache_bytes=50 * 2**20,
    power_peak_watts=700.0,
    peak_frequency_hz=1.83e9,
    price_per_hour=5.408,
    sources=_sources(_H200),
)
