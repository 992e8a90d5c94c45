"""Weft and transformers as contenders: on the same weights they serve the same, and all that was asked for."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.executor.tiny_serving import CONFIG
from tests.measurement.tiny_model import save_tiny, tiny_random
from weft.contracts.errors import ConfigurationError, WeftError
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving
from weft.measurement.bench_model import (
    RANDOM_MODEL,
    BenchModel,
    describe_serving,
    find_model,
    fitted_options,
    load_model,
)
from weft.measurement.contenders import FreshPrompts, Job
from weft.measurement.engine_contender import EngineContender
from weft.measurement.transformers_contender import TransformersContender

OPTIONS = ServingOptions(backend="torch", num_threads=1, max_num_seqs=8, max_model_len=64, block_tokens=4)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "tiny")


@pytest.fixture
def weft() -> Iterator[EngineContender]:
    contender = EngineContender(load_model(tiny_random(), OPTIONS))
    yield contender
    contender.close()


def outputs_of(serving: Serving, prompts: list[tuple[int, ...]], num_tokens: int) -> list[list[int]]:
    sampling = SamplingParams(max_tokens=num_tokens, temperature=0.0)

    async def ask() -> list[Completion]:
        driver = EngineDriver(serving.config, serving.executor)
        requests = [
            Request(str(number), TokenPrompt(prompt), sampling) for number, prompt in enumerate(prompts)
        ]
        return list(await asyncio.gather(*(generate(driver, each) for each in requests)))

    return [list(completion.outputs[0]) for completion in asyncio.run(ask())]


def test_the_random_model_has_349_million_parameters() -> None:
    model = find_model(None)
    assert model.spec.num_parameters == 348_701_696
    assert model.spec.max_length_tokens == RANDOM_MODEL["max_position_embeddings"] == 8192
    assert model.spec.stored_format.value == "bfloat16"


def test_a_batch_brings_all_that_was_asked_for(weft: EngineContender) -> None:
    prompts = FreshPrompts(0, 61)
    for batch in (1, 8):
        run = weft.latency(prompts.jobs([(12, 5)] * batch))
        assert run.num_output_tokens == 5 * batch
        assert run.prefix_hit_tokens == 0
        assert run.ttft_s > 0.0
        assert run.tpot_s is not None


def test_what_the_prefix_cache_gives_is_reported(weft: EngineContender) -> None:
    load = FreshPrompts(0, 61).jobs([(13, 5)])
    assert weft.latency(load).prefix_hit_tokens == 0
    assert weft.latency(load).prefix_hit_tokens == 12
    assert weft.throughput(load).prefix_hit_tokens == 12


def test_a_load_larger_than_the_batch(weft: EngineContender) -> None:
    run = weft.throughput(FreshPrompts(0, 61).jobs([(10, 6), (20, 3)] * 10))
    assert (run.num_requests, run.num_prompt_tokens, run.num_output_tokens) == (20, 300, 90)
    assert run.mean_running is not None
    assert 1.0 <= run.mean_running <= 8.0
    assert run.num_preemptions == run.prefix_hit_tokens == 0


def test_preemptions_are_counted() -> None:
    token_bytes = 2 * 2 * 2 * 4 * 4
    tight = ServingOptions(
        num_threads=1,
        max_num_seqs=4,
        max_model_len=40,
        block_tokens=4,
        kv_cache_memory_bytes=60 * token_bytes,
    )
    contender = EngineContender(load_model(tiny_random(), tight))
    run = contender.throughput(FreshPrompts(0, 61).jobs([(10, 30)] * 4))
    contender.close()
    assert run.num_output_tokens == 120
    assert run.num_preemptions is not None
    assert run.num_preemptions > 0


def test_a_request_that_fails_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("the device is gone")

    serving = load_model(tiny_random(), OPTIONS)
    monkeypatch.setattr(serving.executor.runner.model, "forward", broken)
    contender = EngineContender(serving)
    with pytest.raises(WeftError, match="the device is gone"):
        contender.latency([Job((1, 2, 3), 4)])
    contender.close()


@pytest.mark.parametrize("source", ["directory", "random"])
def test_transformers_has_the_same_weights(source: str, directory: Path) -> None:
    """Prompts of two lengths, so that one is padded."""
    model = tiny_random() if source == "random" else BenchModel(find_model(directory).spec, directory, {})
    prompts: list[tuple[int, ...]] = [(3, 4, 5, 6, 7), (9, 8, 7)]
    serving = load_model(model, OPTIONS)
    other = TransformersContender(model, serving, max_batch=8)
    assert other.outputs(prompts, 12) == outputs_of(serving, prompts, 12)
    serving.close()


def test_transformers_serves_what_was_asked_for(directory: Path) -> None:
    model = find_model(directory)
    serving = load_model(model, OPTIONS)
    other = TransformersContender(model, serving, max_batch=3)
    prompts = FreshPrompts(0, 61)
    run = other.latency(prompts.jobs([(12, 5)] * 2))
    assert run.num_output_tokens == 10
    assert run.itl_p99_s is None
    assert other.latency(prompts.jobs([(12, 1)])).decode_tokens_per_s is None
    load = other.throughput(prompts.jobs([(10, 6), (20, 3)] * 2))
    assert (load.num_requests, load.num_prompt_tokens, load.num_output_tokens) == (4, 60, 18)
    other.close()
    serving.close()


def test_transformers_that_is_missing_or_cannot_load(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = find_model(directory)
    serving = load_model(model, OPTIONS)
    (directory / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="leave out --against"):
        TransformersContender(model, serving, 8)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigurationError, match="pip install"):
        TransformersContender(model, serving, 8)
    serving.close()


def test_options_fit_the_load() -> None:
    spec = tiny_random().spec
    assert fitted_options(spec, {}, 50, 4).max_model_len == 50
    assert fitted_options(spec, {"max_model_len": 80}, 50, 4).max_model_len == 80
    with pytest.raises(ConfigurationError, match=r"longest request has 50 tokens.*allows 40"):
        fitted_options(spec, {"max_model_len": 40}, 50, 4)
    with pytest.raises(ConfigurationError, match=r"longest request has 129 tokens.*allows 128"):
        fitted_options(spec, {}, 129, 4)
    with pytest.raises(ConfigurationError, match="max_num_seqs is 3, and 4 requests"):
        fitted_options(spec, {"max_num_seqs": 3}, 50, 4)


def test_the_description_leaves_nothing_to_guess() -> None:
    serving = load_model(tiny_random(), OPTIONS)
    described = describe_serving(tiny_random(), serving)
    serving.close()
    assert described["model"]["parameters"] == tiny_random().spec.num_parameters
    assert (described["backend"], described["device"], described["dtype"]) == ("torch", "cpu", "float32")
    assert described["threads"] == 1
    assert described["options"]["block_tokens"] == 4
    assert CONFIG["dtype"] in described["fingerprint"]
