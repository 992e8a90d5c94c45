"""What `weft doctor` looks at: each check judges facts that are handed in, and says one thing to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from weft.cli.machine_facts import BFLOAT16_SETS

if TYPE_CHECKING:
    from weft.executor.devices import TorchFacts

GIBIBYTE = 1 << 30
LEAST_PYTHON = (3, 11)
LEAST_MEMORY_BYTES = GIBIBYTE
"""Torch takes a quarter of this before anything is loaded (measured: 220 MB resident after importing it)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A machine as the checks see it. `torch`: what it says, or why it cannot be imported. `kernel_level`: of our own
    kernels' instructions; empty where they were not compiled. `port`: the one that `weft serve` takes by default;
    `cache`: of models from huggingface.co."""

    python: tuple[int, int, int]
    torch: "TorchFacts | str"
    kernel_level: str
    has_numpy: bool
    memory_bytes: int
    cores: int
    environment: Mapping[str, str]
    instruction_sets: tuple[str, ...]
    has_nvidia_device: bool
    port: int
    is_port_free: bool
    cache: str
    is_cache_writable: bool


class Level(Enum):
    """How bad a finding is. Only a problem makes the command fail."""

    OK = "ok"
    ADVICE = "advice"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report, and what to do where something is to be done."""

    level: Level
    text: str
    fix: str = ""


def check_python(facts: Facts) -> Finding:
    """Weft uses what came with 3.11."""
    version = f"Python {'.'.join(map(str, facts.python))}"
    if facts.python[:2] >= LEAST_PYTHON:
        return Finding(Level.OK, version)
    least = ".".join(map(str, LEAST_PYTHON))
    return Finding(
        Level.PROBLEM, f"{version} is too old", f"install Python {least} or newer, and Weft into it"
    )


def check_torch(facts: Facts) -> Finding:
    """Nothing is computed without it."""
    if isinstance(facts.torch, str):
        fix = "in Weft's directory: pip install --force-reinstall -c constraints.txt torch"
        return Finding(Level.PROBLEM, f"torch cannot be imported ({facts.torch})", fix)
    return Finding(Level.OK, f"torch {facts.torch.version}, kernels for {facts.torch.kernels}")


def check_kernels(facts: Facts) -> Finding:
    """What a CPU computes with by default."""
    if facts.kernel_level:
        return Finding(Level.OK, f"backend cpu: kernels for {facts.kernel_level}")
    fix = "install g++ or clang, and then Weft again: pip install -e ."
    return Finding(Level.ADVICE, "backend cpu was not compiled: models run on backend torch, slower", fix)


def check_numpy(facts: Facts) -> Finding:
    """Torch works without it, and says so each time."""
    if facts.has_numpy:
        return Finding(Level.OK, "numpy is there")
    return Finding(Level.ADVICE, "numpy is missing: torch warns at every start", "pip install numpy")


def check_memory(facts: Facts) -> Finding:
    """Whether even a small model fits."""
    free = f"{facts.memory_bytes / GIBIBYTE:.1f} GiB of memory free"
    if facts.memory_bytes >= LEAST_MEMORY_BYTES:
        return Finding(Level.OK, free)
    fix = "end other programs, or raise the limit of the container to 2 GiB or more"
    return Finding(Level.PROBLEM, f"{free}: too little for torch and a small model", fix)


def check_threads(facts: Facts) -> Finding:
    """More threads than cores make each step wait for the slowest."""
    cores = f"{facts.cores} usable core{'s' if facts.cores != 1 else ''}"
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        asked = facts.environment.get(name, "")
        if asked.isdecimal() and int(asked) > facts.cores:
            return Finding(Level.ADVICE, f"{name} is {asked}, with {cores}", f"unset {name}")
    return Finding(Level.OK, cores)


def check_instructions(facts: Facts) -> Finding:
    """What torch's kernels are fast with. Ours make float32 of bfloat16 in registers where they have to."""
    found = facts.instruction_sets
    if not found:
        return Finding(Level.OK, "instruction sets: the system does not tell")
    if "avx2" not in found and "asimd" not in found:
        fix = "use another machine, or a model of less than 1 B parameters"
        return Finding(Level.ADVICE, "this processor has no AVX2: torch computes slowly on it", fix)
    fast = [name for name in BFLOAT16_SETS if name in found]
    if fast or _has_gpu(facts) or facts.kernel_level:
        others = "by the GPU" if _has_gpu(facts) else "by way of float32"
        return Finding(Level.OK, f"bfloat16: {', '.join(fast) or others}")
    fix = "give --dtype float32 for models in bfloat16, where memory allows"
    return Finding(Level.ADVICE, "this processor has no instructions for bfloat16", fix)


def check_gpu(facts: Facts) -> Finding:
    """A GPU that torch cannot use is easily missed: Weft takes the CPU then."""
    if not isinstance(facts.torch, str) and facts.torch.gpus:
        names = ", ".join(f"{gpu.name} ({gpu.memory_bytes / GIBIBYTE:.0f} GiB)" for gpu in facts.torch.gpus)
        return Finding(Level.OK, f"GPU: {names}")
    if not facts.has_nvidia_device:
        return Finding(Level.OK, "no GPU: models run on the CPU")
    if facts.environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return Finding(Level.ADVICE, "CUDA_VISIBLE_DEVICES hides the GPU", "unset CUDA_VISIBLE_DEVICES")
    has_cuda = not isinstance(facts.torch, str) and facts.torch.cuda is not None
    fix = (
        "update the NVIDIA driver (see nvidia-smi)" if has_cuda else "install a torch that is built for CUDA"
    )
    return Finding(Level.PROBLEM, "there is an NVIDIA GPU, but torch cannot use it", fix)


def check_port(facts: Facts) -> Finding:
    """Where `weft serve` listens."""
    if facts.is_port_free:
        return Finding(Level.OK, f"port {facts.port} is free")
    fix = f"weft serve --port {facts.port + 1}, or end what listens there"
    return Finding(Level.ADVICE, f"port {facts.port} is in use", fix)


def check_cache(facts: Facts) -> Finding:
    """Where downloaded models go."""
    if facts.is_cache_writable:
        return Finding(Level.OK, f"models are cached in {facts.cache}")
    fix = "set HF_HOME to a directory that you may write to"
    return Finding(Level.ADVICE, f"{facts.cache} cannot be written to: no model can be downloaded", fix)


CHECKS: tuple[Callable[[Facts], Finding], ...] = (
    *(check_python, check_torch, check_kernels, check_numpy, check_memory, check_threads),
    *(check_instructions, check_gpu, check_port, check_cache),
)


def _has_gpu(facts: Facts) -> bool:
    return not isinstance(facts.torch, str) and bool(facts.torch.gpus)
