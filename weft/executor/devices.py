"""What torch finds to compute on."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU that torch can use. `capability`: of its instructions, as 9.0."""

    name: str
    memory_bytes: int
    capability: str


@dataclass(frozen=True, slots=True)
class TorchFacts:
    """A torch that can be imported. `cuda`: the version it was built for, None where it was built without;
    `kernels`: the instruction set that its CPU kernels use."""

    version: str
    cuda: str | None
    kernels: str
    gpus: tuple[Gpu, ...]


def torch_facts() -> TorchFacts:
    """Of the torch that is installed and this machine's GPUs."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return TorchFacts(
        torch.__version__,
        torch.version.cuda,
        torch.backends.cpu.get_cpu_capability(),
        tuple(_gpu(index) for index in range(count)),
    )


def _gpu(index: int) -> Gpu:
    properties = torch.cuda.get_device_properties(index)
    return Gpu(properties.name, properties.total_memory, f"{properties.major}.{properties.minor}")
