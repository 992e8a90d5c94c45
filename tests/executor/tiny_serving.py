"""A tiny random model, ready to serve, for tests of the executor."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving, make_serving
from weft.model_specs.families import spec_from_config
from weft.weights.random_weights import RandomWeights
from weft.weights.source import WeightSource

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 61,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
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
