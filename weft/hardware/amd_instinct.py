"""AMD Instinct MI300X (2023)."""

from weft.hardware.device import Device

_SHEET = "AMD Instinct MI300X accelerator data sheet (December 2023)"
_WHITE_PAPER = "AMD CDNA 3 Architecture white paper (amd.com, amd-cdna-3-white-paper.pdf)"

MI300X = Device(
    "MI300X",
    {
        "float32": 163.4e12,
        "tf32": 653.7e12,
        "float16": 1307.4e12,
        "bfloat16": 1307.4e12,
        "float8": 2614.9e12,
        "int8": 2614.9e12,
    },
    memory_bytes=192 * 2**30,
    memory_bandwidth=5300e9,
    cache_bytes=256 * 2**20,
    cache_bandwidth=17.2e12,
    power_peak_watts=750.0,
    peak_frequency_hz=2.1e9,
    sources={
        "peak_flops": f"{_SHEET}, peak matrix performance without sparsity",
        "memory_bytes": f"{_SHEET}, memory size; {_WHITE_PAPER}, memory",
        "memory_bandwidth": f"{_SHEET}, peak memory bandwidth; {_WHITE_PAPER}, memory",
        "cache_bytes": f"{_WHITE_PAPER}, memory: 256 MB of Infinity Cache",
        "cache_bandwidth": f"{_WHITE_PAPER}, memory: 17.2 TB/s peak",
        "power_peak_watts": f"{_SHEET}, maximum TBP; mlcommons/inference_results_v4.1, closed/AMD/systems",
        "peak_frequency_hz": f"{_SHEET}, maximum engine clock",
    },
)
