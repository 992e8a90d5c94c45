"""What `weft env` tells and `weft doctor` judges about a machine and an installation."""

import re
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weft.executor.devices import TorchFacts

ROOT = Path("/")
INSTRUCTION_SETS = (
    *("avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("avx_vnni", "amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimdhp", "asimddp", "sve", "sve2", "i8mm", "bf16", "svebf16"),
)
"""Those that matter to matrix products, of x86 and ARM, as Linux calls them."""

BFLOAT16_SETS = ("avx512_bf16", "amx_bf16", "bf16", "svebf16")
"""Any of these multiplies bfloat16 without a detour through float32."""

VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "CUDA_VISIBLE_DEVICES"),
    *("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT"),
    *("XDG_CACHE_HOME", "WEFT_CACHE_LIMIT_BYTES", "WEFT_CPU_LEVEL"),
)
"""Variables of the environment that change what Weft does; none holds a secret."""


def instruction_sets(root: Path = ROOT) -> tuple[str, ...]:
    """Of the first processor; none where the kernel does not say."""
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()
    listed = [line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features"))]
    return tuple(name for name in INSTRUCTION_SETS if listed and name in listed[0])


def package_versions() -> dict[str, str | None]:
    """Of what Weft needs, by its own metadata; None for what is missing."""
    try:
        requirements = metadata.requires("weft") or []
    except metadata.PackageNotFoundError:
        return {}
    names = [re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in requirements if "extra ==" not in each]
    return {name: package_version(name) for name in sorted(names)}


def package_version(name: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def find_torch() -> "TorchFacts | str":
    """What torch says, or why it cannot be imported."""
    try:
        from weft.executor.devices import torch_facts

        return torch_facts()
    # A torch whose libraries do not fit this machine fails in many ways; each is a finding, not a crash.
    except Exception as error:
        return " ".join(f"{type(error).__name__}: {error}".split())


def kernel_level() -> str:
    """The fastest level of instructions that our kernels have on this processor; empty where there are no kernels."""
    from weft.ops.cpu.library import has_kernels, levels

    return levels()[0] if has_kernels() else ""


def has_nvidia_device(root: Path = ROOT) -> bool:
    """Whether the kernel has a GPU of NVIDIA, whatever torch can do with it."""
    return (root / "proc/driver/nvidia/version").exists() or (root / "dev/nvidia0").exists()


def hub_cache() -> Path:
    """Where models from huggingface.co are kept."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
