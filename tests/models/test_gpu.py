"""The torch backend on a CUDA device: the same logits as on the CPU, and the same greedy text.

No GPU kernel of our own is involved; what is tested is that pools, batches and sampler work on the device.
"""

import asyncio
from pathlib import Path

import pytest
import torch

from tests.models.oracle import VARIANTS, Oracle, prompts
from tests.models.paged_runs import PagedRuns, chunked
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.executor.loading import load_serving
from weft.ops.torch_ops import TorchOps

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
LENGTHS = (17, 40, 64)


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(VARIANTS[request.param], tmp_path_factory.mktemp(request.param))


def test_logits_are_those_of_transformers_on_the_cpu(oracle: Oracle) -> None:
    texts = prompts(LENGTHS)
    runs = PagedRuns(oracle.directory, TorchOps(1), device=torch.device("cuda"))
    for text, ours in zip(texts, runs.logits(texts, chunked(LENGTHS, 7)), strict=True):
        theirs = oracle.logits(text)
        assert (ours.cpu() - theirs).abs().max() <= 1e-3 * theirs.abs().max()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_requests_of_every_kind_are_served(oracle: Oracle, dtype: str) -> None:
    params = [
        SamplingParams(max_tokens=20, temperature=0.0, logprobs=3),
        SamplingParams(max_tokens=20, n=3, top_p=0.9, top_k=20, seed=1),
        SamplingParams(max_tokens=20, repetition_penalty=1.2, frequency_penalty=0.5, logit_bias={3: 1.0}),
        SamplingParams(max_tokens=20, beam_width=2),
    ]
    requests = [Request(str(i), TokenPrompt(prompts([30])[0]), each) for i, each in enumerate(params)]
    for completion in asyncio.run(_serve(oracle.directory, dtype, requests)):
        assert completion.reason == "length"
        assert all(len(output) == 20 for output in completion.outputs)


async def _serve(directory: Path, dtype: str, requests: list[Request]) -> list[Completion]:
    options = ServingOptions(
        device="cuda", dtype=dtype, kv_cache_memory_bytes=1 << 24, swap_memory_bytes=1 << 22
    )
    serving = load_serving(directory, options)
    driver = EngineDriver(serving.config, serving.executor)
    completions = await asyncio.gather(*(generate(driver, request) for request in requests))
    driver.engine.check_integrity()
    serving.close()
    return list(completions)
