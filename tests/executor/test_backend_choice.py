"""Where no backend is named, the kernels compute what they can, and torch the rest."""

import logging
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.executor.tiny_serving import tiny_serving
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.executor import backend_choice
from weft.executor.backend_choice import with_backend
from weft.measurement.bench_model import RANDOM_MODEL
from weft.model_specs.experts import ExpertsSpec
from weft.model_specs.families import spec_from_config

SPEC = spec_from_config(RANDOM_MODEL, "the test's config")
MIXTURE = replace(SPEC, experts=ExpertsSpec(8, 2, 64, sums_to_one=True))


def chosen(**changes: Any) -> str:
    return with_backend(SPEC, ServingOptions(**changes)).backend


def test_a_dense_model_on_a_processor_goes_to_the_kernels() -> None:
    assert chosen() == chosen(device="cpu") == chosen(dtype="float32") == "cpu"


def test_a_backend_that_is_named_stays() -> None:
    assert [chosen(backend=name) for name in ("torch", "reference", "cpu")] == ["torch", "reference", "cpu"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dtype": "float16"}, "do not compute in float16"),
        ({"device": "meta"}, "the device is meta"),
    ],
)
def test_what_the_kernels_cannot_do_goes_to_torch(
    changes: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert chosen(**changes) == "torch"
    assert "backend torch was chosen: " in caplog.text
    assert reason in caplog.text


def test_mixtures_go_to_torch() -> None:
    assert with_backend(MIXTURE, ServingOptions()).backend == "torch"
    assert with_backend(MIXTURE, ServingOptions(quantization="int4")).backend == "cpu"


def test_a_gpu_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen() == "torch"
    assert chosen(device="cpu") == "cpu"


def test_without_kernels_torch_computes_and_what_needs_them_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> None:
        raise ConfigurationError("the kernels are not there; install g++")

    monkeypatch.setattr(backend_choice, "kernels", missing)
    with caplog.at_level(logging.INFO):
        assert chosen() == "torch"
    assert "install g++" in caplog.text
    assert chosen(quantization="int8") == chosen(kv_cache_dtype="int8") == "cpu"


def test_a_served_model_tells_what_was_chosen() -> None:
    serving = tiny_serving(backend="auto")
    serving.close()
    assert serving.options.backend == "cpu"
    assert serving.executor.numeric_fingerprint.startswith("cpu-")
