"""Our models against transformers: logits, and greedy tokens through engine and executor."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.oracle import VARIANTS, Oracle, Variant, prompts
from tests.models.paged_runs import PagedRuns, chunked, together, whole
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import generate
from weft.engine.driver import EngineDriver
from weft.executor.loading import load_serving
from weft.ops.backend import Ops
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps

LENGTHS = (1, 17, 40, 5, 64)
GREEDY_TOKENS = 64
TIE = 1e-4
"""Where transformers' own two best logits are closer than this, relative to the largest, either may be chosen."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(VARIANTS[request.param], tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("ops", [TorchOps(1), ReferenceOps(1)], ids=["torch", "reference"])
@pytest.mark.parametrize(
    "schedule",
    [whole, together, lambda lengths: chunked(lengths, 7), lambda lengths: chunked(lengths, 1)],
    ids=["alone", "batched", "chunked", "one-by-one"],
)
def test_logits_are_those_of_transformers(
    oracle: Oracle, ops: Ops, schedule: Callable[[Sequence[int]], list[list[tuple[int, int, int]]]]
) -> None:
    texts = prompts(LENGTHS)
    found = PagedRuns(oracle.directory, ops).logits(texts, schedule(LENGTHS))
    for text, ours in zip(texts, found, strict=True):
        theirs = oracle.logits(text)
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("backend", ["torch", "reference"])
@pytest.mark.parametrize(
    "changes", [{}, {"max_num_batched_tokens": 9, "max_num_seqs": 3}], ids=["batched", "chunked"]
)
def test_greedy_tokens_are_those_of_transformers(
    oracle: Oracle, backend: str, changes: dict[str, Any]
) -> None:
    options = replace(
        ServingOptions(backend=backend, num_threads=1, max_num_seqs=8, block_tokens=8), **changes
    )
    texts = prompts(LENGTHS)
    # Twice: the second time the prompts' prefixes are in the cache.
    for outputs in asyncio.run(_generate(oracle.directory, options, texts)):
        for text, output in zip(texts, outputs, strict=True):
            _check_greedy(oracle, text, output)


async def _generate(
    directory: Path, options: ServingOptions, texts: Sequence[tuple[int, ...]]
) -> list[list[tuple[int, ...]]]:
    serving = load_serving(directory, options)
    driver = EngineDriver(serving.config, serving.executor)
    sampling = SamplingParams(max_tokens=GREEDY_TOKENS, temperature=0.0)
    rounds = []
    for turn in range(2):
        requests = [Request(f"{turn}-{i}", TokenPrompt(text), sampling) for i, text in enumerate(texts)]
        completions = await asyncio.gather(*(generate(driver, request) for request in requests))
        rounds.append([completion.outputs[0] for completion in completions])
    driver.engine.check_integrity()
    serving.close()
    return rounds


def _check_greedy(oracle: Oracle, text: tuple[int, ...], output: tuple[int, ...]) -> None:
    """Every token is the likeliest after the tokens before it, by transformers, but for ties."""
    assert len(output) == GREEDY_TOKENS
    logits_TV = oracle.logits((*text, *output))[len(text) - 1 : -1]
    chosen = logits_TV.gather(1, torch.tensor(output)[:, None])[:, 0]
    gap = logits_TV.amax(-1) - chosen
    assert (gap <= TIE * logits_TV.abs().max()).all()


def test_dynamic_scaling_is_that_of_transformers_at_the_longest_text(tmp_path: Path) -> None:
    """Theirs follows the length of the text at hand; ours is fixed at the longest, so there they agree."""
    parameters = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}
    changes = {"rope_parameters": parameters, "max_position_embeddings": 32}
    oracle = Oracle(Variant("Llama", changes), tmp_path)
    runs = PagedRuns(tmp_path, TorchOps(1))
    length = runs.spec.max_length_tokens
    (text,) = prompts([length])
    (ours,) = runs.logits([text], chunked([length], 30))
    theirs = oracle.logits(text)
    assert length > 32
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()
