"""A tiny random model, ready to serve, for tests of the executor."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving, make_serving
from weft.model_specs.families import spec_from_config
from weft.models.llama import Llama
from weft.ops.reference_ops import ReferenceOps
from weft.weights.random_weights import RandomWeights
from weft.weights.save import save_checkpoint
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
    "dtype": "float32",
}
OPTIONS = ServingOptions(backend="reference", num_threads=1, block_tokens=4, max_num_seqs=8)


def tiny_serving(seed: int = 0, **changes: Any) -> Serving:
    """Random weights by seed; `changes` to the options."""

    def weights(dtype: torch.dtype, device: torch.device) -> WeightSource:
        return RandomWeights(seed, dtype, device, std=0.35)

    return make_serving(spec_from_config(CONFIG, "the test's config"), weights, replace(OPTIONS, **changes))


def request(name: str, prompt: Sequence[int] = (3, 4, 5, 6, 7), **sampling: Any) -> Request:
    """A request whose noise follows from a seed, not from its name."""
    return Request(
        name, TokenPrompt(tuple(prompt)), SamplingParams(**{"max_tokens": 12, "seed": 1, **sampling})
    )


async def ask(driver: EngineDriver, *requests: Request) -> list[Completion]:
    """All at once."""
    return list(await asyncio.gather(*(generate(driver, each) for each in requests)))


class _Recorder(RandomWeights):
    """Random weights that remember what they gave out."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, torch.float32, torch.device("cpu"), std=0.35)
        self.given: dict[str, Tensor] = {}

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        self.given[name] = super().read(name, shape)
        return self.given[name]


def save_tiny(directory: Path, seed: int, **changes: Any) -> str:
    """Write the model of `tiny_serving` as a checkpoint; `changes` to its config. Returns the directory."""
    config = CONFIG | changes
    weights = _Recorder(seed)
    Llama(spec_from_config(config, "a test"), weights, ReferenceOps(1), 8)
    save_checkpoint(directory, config, weights.given)
    return str(directory)
