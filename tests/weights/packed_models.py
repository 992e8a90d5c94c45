"""A tiny model, packed into a file, and the weights that a model reads from it."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weft.model_specs.families import spec_from_config
from weft.models.decoder import Decoder
from weft.models.llama import Llama
from weft.ops.torch_ops import TorchOps
from weft.weights.linear import Linear, Table
from weft.weights.packed import PackedLinear
from weft.weights.packed_files import PackedFile
from weft.weights.packed_writer import PackedWriter
from weft.weights.packing import PackedWeights
from weft.weights.random_weights import RandomWeights
from weft.weights.source import WeightSource

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 61,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "attention_bias": True,
    "dtype": "float32",
}
CPU = torch.device("cpu")


class Noted(WeightSource):
    """Another source, and what it was asked for, in order."""

    def __init__(self, source: WeightSource) -> None:
        self.dtype, self.device, self._source = source.dtype, source.device, source
        self.found: list[Tensor | Linear] = []

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        self.found.append(self._source.read(name, shape))
        return self.found[-1]  # type: ignore[return-value]  # just put there

    def linear(self, *arguments: Any, **named: Any) -> Linear:
        self.found.append(self._source.linear(*arguments, **named))
        return self.found[-1]  # type: ignore[return-value]

    def tied(self, name: str, shape: tuple[int, int]) -> tuple[Table, Linear]:
        table, head = self._source.tied(name, shape)
        self.found += [table, head]
        return table, head

    def finish(self, *arguments: Any) -> None:
        self._source.finish(*arguments)


def build(weights: WeightSource, **changes: Any) -> Decoder:
    """The tiny model of these weights."""
    model = Llama(spec_from_config({**CONFIG, **changes}, "the test's config"), weights, TorchOps(1), 8)
    weights.finish(model.tied)
    return model


def packed(kind: str, dtype: torch.dtype = torch.float32) -> PackedWeights:
    """Random weights, packed in memory."""
    return PackedWeights(RandomWeights(0, dtype, CPU), kind)


def packed_bytes(kind: str = "int4", dtype: torch.dtype = torch.float32, **changes: Any) -> bytes:
    """The same as a file."""
    file = io.BytesIO()
    writer = PackedWriter(packed(kind, dtype), file, "tiny")
    build(writer, **changes)
    writer.close()
    return file.getvalue()


def opened(path: Path, content: bytes, **changes: Any) -> list[Tensor | Linear]:
    """What a model gets from a file of this content."""
    path.write_bytes(content)
    noted = Noted(PackedFile(path))
    build(noted, **changes)
    return noted.found


def same(ours: list[Tensor | Linear], theirs: list[Tensor | Linear]) -> bool:
    """To the bit, and described alike."""
    return [_plain(each) for each in ours] == [_plain(each) for each in theirs]


def _plain(found: Tensor | Linear) -> list[Any]:
    if isinstance(found, Tensor):
        return [found.dtype, found.shape, found.contiguous().view(torch.uint8).tolist()]
    bias = [] if found.bias_O is None else _plain(found.bias_O)
    if not isinstance(found, PackedLinear):
        return [bias, _plain(found.weight_OI)]
    about = [found.format, found.num_inputs, found.group_inputs, found.weight_OI.shape]
    return [bias, about, {name: _plain(part) for name, part in found.parts.items()}]
