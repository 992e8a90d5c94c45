"""Small checkpoints to read, and the one way in which the tests read them."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.weights.checkpoint import CheckpointWeights

CPU = torch.device("cpu")

EMBEDDING = "model.embed_tokens.weight"
QUERY = "model.layers.0.self_attn.q_proj.weight"
NORM = "model.norm.weight"
HEAD = "lm_head.weight"


def some_tensors(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    shapes = {EMBEDDING: (6, 4), QUERY: (4, 4), NORM: (4,), HEAD: (6, 4)}
    stream = torch.Generator().manual_seed(7)
    return {name: torch.randn(shape, generator=stream).to(dtype) for name, shape in shapes.items()}


def write(directory: Path, tensors: Mapping[str, Tensor], name: str = "model.safetensors") -> Path:
    """A file of tensors; returns its path."""
    directory.mkdir(exist_ok=True)
    save_file(dict(tensors), directory / name, metadata={"format": "pt"})
    return directory / name


def write_index(directory: Path, weight_map: object) -> None:
    index = {"metadata": {}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def write_shards(directory: Path, tensors: Mapping[str, Tensor]) -> list[str]:
    """One shard per tensor, with an index; returns the shards' names."""
    shards = {name: f"model-{number:05d}.safetensors" for number, name in enumerate(tensors)}
    for name, shard in shards.items():
        write(directory, {name: tensors[name]}, shard)
    write_index(directory, shards)
    return list(shards.values())


def opened(directory: Path, dtype: torch.dtype = torch.float32) -> CheckpointWeights:
    return CheckpointWeights(directory, dtype, CPU)


def read_all(directory: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a model does that wants exactly these names in these shapes."""
    source = opened(directory)
    tensors = {name: source.read(name, tuple(tensor.shape)) for name, tensor in expected.items()}
    source.finish()
    return tensors


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Equal names, types and bits of the numbers."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )
