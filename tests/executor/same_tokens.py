"""Random lives of requests on a real model, each compared with that request alone.

The backend is the reference one or another that keeps promise 1.

A world draws a model, sizes and requests from its seed. What depends on the clock (which step an arrival
joins) is not drawn; it may differ from run to run, and must not change a bit.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from weft.contracts.errors import InvariantViolation, RequestRejected
from weft.contracts.events import Status
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Pooling, Request, SamplingParams
from weft.engine.client import Completion, generate, stream
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving, make_serving
from weft.model_specs.families import read_spec, spec_from_config
from weft.model_specs.model_spec import ModelSpec
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.random_weights import RandomWeights
from weft.weights.source import WeightSource

VOCAB_SIZE = 61
MAX_MODEL_LEN = 128
BEAM_CHANGES = ("stop_token_ids", "min_tokens")
PLAIN = ServingOptions(
    backend="reference",
    max_num_seqs=1,
    enable_prefix_caching=False,
    num_threads=1,
    depth=1,
    max_model_len=MAX_MODEL_LEN,
    kv_cache_memory_bytes=1 << 24,
)
"""How a request runs alone."""


def random_spec(random: Random) -> ModelSpec:
    """A tiny model of one of the families; some of its layers may see a window only."""
    family = random.choice(["Llama", "Mistral", "Qwen2", "Qwen3", "Qwen3Moe"])
    config: dict[str, Any] = {
        "architectures": [f"{family}ForCausalLM"],
        "vocab_size": VOCAB_SIZE,
        "hidden_size": 16,
        "intermediate_size": random.choice([24, 32]),
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": random.choice([1, 2, 4]),
        "head_dim": random.choice([4, 8]),
        "max_position_embeddings": MAX_MODEL_LEN,
        "tie_word_embeddings": random.random() < 0.5,
    }
    if family == "Mistral":
        config["sliding_window"] = random.choice([None, 5, 40])
    if family.startswith("Qwen"):
        windows = {
            "use_sliding_window": True,
            "sliding_window": random.choice([6, 33]),
            "max_window_layers": 0 if family == "Qwen3Moe" else 1,
        }
        config |= random.choice([{"use_sliding_window": False}, windows])
    if family == "Qwen2":
        del config["head_dim"]
    if family == "Qwen3Moe":
        config |= {
            "num_experts": 6,
            "num_experts_per_tok": random.choice([1, 3]),
            "moe_intermediate_size": 12,
        }
        config |= {"norm_topk_prob": random.random() < 0.5, "decoder_sparse_step": random.choice([1, 2])}
    return spec_from_config(config, "a random config")


def random_options(random: Random) -> ServingOptions:
    """Sizes so small that sequences wait, are split, preempted, swapped; two to four sequences fit."""
    return ServingOptions(
        backend="reference",
        max_num_seqs=random.choice([2, 5, 16]),
        max_num_batched_tokens=random.choice([16, 23, 64, 256]),
        swap_memory_bytes=random.choice([0, 1 << 18, 1 << 18]),
        block_tokens=random.choice([4, 8, 16]),
        enable_prefix_caching=random.random() < 0.8,
        num_threads=random.choice([1, 2, 3]),
        depth=random.choice([1, 2, 3]),
    )


def random_sampling(random: Random) -> SamplingParams:
    """Any of the knobs."""
    maybe = random.random
    params = SamplingParams(max_tokens=random.choice([1, 5, 12, 40]))
    changes: dict[str, Any] = {}
    if maybe() < 0.3:
        changes["temperature"] = 0.0
    if maybe() < 0.3:
        changes |= {"top_k": random.choice([0, 1, 9]), "top_p": random.choice([0.3, 0.9, 1.0])}
    if maybe() < 0.2:
        changes |= {"min_p": 0.05, "repetition_penalty": 1.3, "logit_bias": {3: 2.5, 7: -50.0}}
    if maybe() < 0.2:
        changes |= {"presence_penalty": 0.7, "frequency_penalty": -0.4}
    if maybe() < 0.3:
        changes |= {"stop_token_ids": (5, 11), "min_tokens": random.randint(0, params.max_tokens)}
    if maybe() < 0.3:
        changes["logprobs"] = random.choice([0, 3])
    if maybe() < 0.5:
        changes["seed"] = random.randint(0, 9)
    shape = maybe()
    if shape < 0.15:
        changes["n"] = 3
    elif shape < 0.25:
        changes = {"beam_width": 2, **{name: changes[name] for name in BEAM_CHANGES if name in changes}}
    return replace(params, **changes)


class SameTokens:
    """One world, on a random model or a `checkpoint`. `changes`: to the options, alone and in the crowd.

    `play` raises `InvariantViolation` where anything is not as it is alone.
    """

    def __init__(self, seed: int, checkpoint: Path | None = None, **changes: Any) -> None:
        self.random, self._curiosity = Random(seed), Random(seed)
        self._weights_seed = self.random.randrange(1 << 30)
        self._checkpoint = checkpoint
        self.spec = random_spec(self.random) if checkpoint is None else read_spec(checkpoint)
        self.options = replace(random_options(self.random), max_model_len=MAX_MODEL_LEN, **changes)
        self._plain = replace(PLAIN, **changes)
        stems = [self._tokens(self.random.randint(4, 70)) for _ in range(3)]
        self._stems = [*stems, ()]

    def _tokens(self, count: int) -> tuple[int, ...]:
        return tuple(self.random.randrange(self.spec.vocab_size) for _ in range(count))

    def requests(self, count: int, name: str) -> list[Request]:
        """Requests some of whose prompts begin alike."""
        found = []
        for number in range(count):
            sampling = random_sampling(self.random)
            prompt = (*self.random.choice(self._stems), *self._tokens(self.random.randint(1, 12)))
            room = MAX_MODEL_LEN - sampling.max_tokens
            found.append(self._curious(Request(f"{name}-{number}", TokenPrompt(prompt[-room:]), sampling)))
        return found

    def _curious(self, request: Request) -> Request:
        """Some ask about their prompt too, some about nothing else."""
        kind, sampling = self._curiosity.random(), request.sampling
        count = self._curiosity.choice([0, 2])
        if kind < 0.1:
            pooling = self._curiosity.choice([None, *Pooling])
            return replace(
                request, sampling=SamplingParams(max_tokens=0, prompt_logprobs=count), pooling=pooling
            )
        if kind < 0.3 and sampling.beam_width == 1:
            return replace(request, sampling=replace(sampling, prompt_logprobs=count))
        return request

    def serving(self, options: ServingOptions) -> Serving:
        """The world's model; its weights are the same every time."""

        def weights(dtype: torch.dtype, device: torch.device) -> WeightSource:
            if self._checkpoint is not None:
                return CheckpointWeights(self._checkpoint, dtype, device)
            return RandomWeights(self._weights_seed, dtype, device, std=0.35)

        if options.kv_cache_memory_bytes is None:
            token_bytes = self.spec.num_layers * 2 * self.spec.num_kv_heads * self.spec.head_dim * 4
            longest = MAX_MODEL_LEN + options.max_num_batched_tokens + 4 * options.block_tokens
            budget = int(token_bytes * longest * self.random.uniform(1.1, 2.5))
            options = replace(options, kv_cache_memory_bytes=budget)
        return make_serving(self.spec, weights, options)

    async def play(self, requests: Sequence[Request]) -> int:
        """Serve all requests in a crowd, then each alone; returns how many were compared."""
        told = await self._crowd(requests)
        serving = self.serving(self._plain)
        driver = EngineDriver(serving.config, serving.executor)
        for request in requests:
            if request.request_id in told:
                _require_same(request, told[request.request_id], await generate(driver, request))
        serving.close()
        return len(told)

    async def _crowd(self, requests: Sequence[Request]) -> dict[str, Completion]:
        serving = self.serving(self.options)
        driver = EngineDriver(serving.config, serving.executor)
        told: dict[str, Completion] = {}
        async with asyncio.TaskGroup() as clients:
            for request in requests:
                clients.create_task(self._visit(driver, request, told))
                if self.random.random() < 0.3:
                    await asyncio.sleep(self.random.choice([0.0, 0.002, 0.01]))
        await _idle(driver)
        driver.engine.check_integrity()
        serving.close()
        return told

    async def _visit(self, driver: EngineDriver, request: Request, told: dict[str, Completion]) -> None:
        """Most clients wait for the end, some stream and leave early."""
        if self.random.random() < 0.85:
            told[request.request_id] = await _generate_patiently(driver, request)
            return
        patience = self.random.randint(0, 6)
        with suppress(RequestRejected):
            async for _ in stream(driver, request):
                patience -= 1
                if patience < 0:
                    return


async def _generate_patiently(driver: EngineDriver, request: Request) -> Completion:
    """Come again until the door lets the request in."""
    while True:
        try:
            return await generate(driver, request)
        except RequestRejected as refusal:
            if "try again later" not in refusal.reason:
                raise
            await asyncio.sleep(0.01)


async def _idle(driver: EngineDriver) -> None:
    while driver.engine.num_in_flight or driver.engine.num_transfers:  # noqa: ASYNC110  a test's client
        await asyncio.sleep(0.001)


def _require_same(request: Request, together: Completion, alone: Completion) -> None:
    if request.sampling.n > 1:  # a request's reason is that of its last output to end, whichever that is
        together = together._replace(reason=alone.reason)
    if together.status is not Status.FINISHED or together != alone:
        raise InvariantViolation("same_tokens", f"{request}: {together}, alone it is {alone}")
