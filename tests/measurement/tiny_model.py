"""A tiny random model, as a directory and as a `BenchModel`, for tests of the benches."""

from pathlib import Path

import torch
from torch import Tensor

from weft.measurement.bench_model import BenchModel
from weft.model_specs.families import spec_from_config
from weft.models.llama import Llama
from weft.ops.reference_ops import ReferenceOps
from weft.weights.random_weights import RandomWeights
from weft.weights.save import save_checkpoint

CONFIG = {
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
    "dtype": "float32",
}


class Recorder(RandomWeights):
    """Random weights that remember what they gave out."""

    def __init__(self) -> None:
        super().__init__(0, torch.float32, torch.device("cpu"), std=0.35)
        self.given: dict[str, Tensor] = {}

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        self.given[name] = super().read(name, shape)
        return self.given[name]


def save_tiny(directory: Path) -> Path:
    """A checkpoint; its weights are so large that outputs vary."""
    weights = Recorder()
    Llama(spec_from_config(CONFIG, "a test"), weights, ReferenceOps(1), 8)
    save_checkpoint(directory, CONFIG, weights.given)
    return directory


def tiny_random() -> BenchModel:
    """Without a directory."""
    return BenchModel(spec_from_config(CONFIG, "a test"), None, CONFIG)
