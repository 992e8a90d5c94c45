"""Where no backend is named, the kernels compute what they can, and torch the rest."""

import logging
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.executor.tiny_serving import CONFIG, tiny_serving
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.options import ServingOptions
from weft.executor.backend_choice import with_backend
from weft.model_specs.families import FAMILIES, spec_from_config
from weft.ops.cpu.library import LEVEL_VARIABLE, levels

SPEC = spec_from_config(CONFIG, "the test's config")


def chosen(spec: Any = SPEC, **changes: Any) -> str:
    return with_backend(ServingOptions(**changes), spec).backend


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weft.ops.cpu._kernels", None)
    monkeypatch.delattr("weft.ops.cpu._kernels", raising=False)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("architecture", FAMILIES)
def test_kernels_compute_every_family_on_a_cpu(architecture: str) -> None:
    spec = replace(SPEC, architecture=architecture)
    assert {chosen(spec, dtype=dtype) for dtype in ("auto", "bfloat16", "float32")} == {"cpu"}
    assert chosen(spec, device="cpu") == "cpu"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("spec", "changes", "reason"),
    [
        (SPEC, {"device": "cuda"}, "device is 'cuda'"),
        (SPEC, {"dtype": "float16"}, "weights are in float16; dtype bfloat16 or float32 would let"),
        (replace(SPEC, stored_format=NumberFormat.FLOAT16), {}, "weights are in float16"),
        (replace(SPEC, intermediate_size=1 << 17), {}, "a layer has 131072 inputs"),
    ],
)
def test_what_kernels_cannot_do_is_torch_s(
    spec: Any, changes: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert chosen(spec, **changes) == "torch"
    (record,) = caplog.records
    assert record.getMessage().startswith(f"backend torch was chosen: {reason}")


def test_a_gpu_is_torch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (chosen(), chosen(device="cpu")) == ("torch", "cpu")


@pytest.mark.usefixtures("no_gpu", "no_kernels")
def test_without_a_compiler_torch_computes_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        serving = tiny_serving(backend="auto")
    serving.close()
    assert serving.executor.numeric_fingerprint.startswith("torch-")
    assert "backend torch was chosen: Weft was installed without a compiler; install g++" in caplog.text


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("level", levels())
def test_all_levels_but_the_portable_one_are_chosen(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, level)
    assert chosen() == ("torch" if level == "portable" else "cpu")


@pytest.mark.usefixtures("no_gpu")
def test_an_unknown_level_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, "mmx")
    with pytest.raises(ConfigurationError, match=f"'mmx'.*{LEVEL_VARIABLE}"):
        chosen()


def test_formats_that_kernels_alone_have_are_theirs_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen(quantization="int4") == chosen(kv_cache_dtype="int8") == "cpu"


def test_a_backend_that_is_named_stays() -> None:
    assert [chosen(backend=name) for name in ("torch", "reference", "cpu")] == ["torch", "reference", "cpu"]
    assert chosen(backend="torch", quantization="int4") == "torch"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_a_served_model_tells_what_was_chosen(quantization: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        serving = tiny_serving(backend="auto", quantization=quantization)
    serving.close()
    assert serving.options.backend == "cpu"
    assert serving.executor.numeric_fingerprint.startswith("cpu-")
    assert [record.getMessage() for record in caplog.records] == ["backend cpu was chosen"]
