"""Where no backend is named, the kernels compute in the formats that they alone have, and torch the rest."""

import logging
from typing import Any

import pytest

from tests.executor.tiny_serving import tiny_serving
from weft.contracts.options import ServingOptions
from weft.executor.backend_choice import with_backend


def chosen(**changes: Any) -> str:
    return with_backend(ServingOptions(**changes)).backend


def test_formats_decide() -> None:
    assert chosen() == chosen(dtype="float32") == "torch"
    assert chosen(quantization="int4") == chosen(kv_cache_dtype="int8") == "cpu"


def test_a_backend_that_is_named_stays() -> None:
    assert [chosen(backend=name) for name in ("torch", "reference", "cpu")] == ["torch", "reference", "cpu"]
    assert chosen(backend="torch", quantization="int4") == "torch"


def test_a_served_model_tells_what_was_chosen(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        serving = tiny_serving(backend="auto", quantization="int8")
    serving.close()
    assert serving.options.backend == "cpu"
    assert serving.executor.numeric_fingerprint.startswith("cpu-")
    assert "backend cpu was chosen" in caplog.text
