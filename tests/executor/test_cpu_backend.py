"""The `cpu` backend in a model: close to the others, and refused where it cannot do what is asked."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.executor.tiny_serving import OPTIONS, ask, request, tiny_serving
from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Request
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving, load_serving
from weft.executor.sampling import Sampler
from weft.model_specs.builtin import builtin_model
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import LEVEL_VARIABLE, levels
from weft.weights.linear import Linear

PROMPTS = [(3, 4, 5, 6, 7), (9,), tuple(range(20, 41))]


async def _outputs(serving: Serving) -> list[Any]:
    driver = EngineDriver(serving.config, serving.executor)
    requests = [request(str(index), prompt, temperature=0.0) for index, prompt in enumerate(PROMPTS)]
    ended = await ask(driver, *requests)
    return [each.outputs for each in ended]


def outputs(**changes: Any) -> list[Any]:
    serving = tiny_serving(**changes)
    try:
        return asyncio.run(_outputs(serving))
    finally:
        serving.close()


@pytest.mark.parametrize("level", levels())
def test_greedy_tokens_are_those_of_the_reference(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LEVEL_VARIABLE, level)
    assert outputs(backend="cpu", dtype="float32") == outputs(backend="reference")


STORIES = Path(__file__).resolve().parents[3] / "shared/data/models/stories260K_hf"
CHECKPOINTS = [
    pytest.param(builtin_model("weft-tiny"), id="weft-tiny"),
    pytest.param(
        STORIES,
        id="stories260K",
        marks=pytest.mark.skipif(not STORIES.is_dir(), reason=f"needs the checkpoint {STORIES}"),
    ),
]


@pytest.mark.parametrize("directory", CHECKPOINTS)
def test_real_models_say_what_they_say_on_torch(directory: Path) -> None:
    said = []
    for backend in ("torch", "cpu"):
        options = replace(OPTIONS, backend=backend, dtype="float32", max_model_len=64)
        serving = load_serving(directory, options)
        said.append(asyncio.run(_outputs(serving)))
        serving.close()
    assert said[0] == said[1]


@pytest.mark.parametrize("quantization", ["int8", "int4", "int4-128", "int8-a16", "int4-64-a16"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_quantised_models_answer(quantization: str, dtype: str) -> None:
    made = outputs(backend="cpu", quantization=quantization, dtype=dtype, num_threads=2)
    assert made == outputs(backend="cpu", quantization=quantization, dtype=dtype, num_threads=1)
    assert [len(each[0]) for each in made] == [12, 12, 12]


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_greedy_tokens_are_the_same_whoever_chooses(
    quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels while all are greedy, the sampler as soon as one is not, and always where the kernels do not."""

    async def play(serving: Serving, *others: Request) -> list[Any]:
        driver = EngineDriver(serving.config, serving.executor)
        greedy = [
            request(str(index), prompt, temperature=0.0, max_tokens=30)
            for index, prompt in enumerate(PROMPTS)
        ]
        ended = await ask(driver, *greedy, *others)
        return [each.outputs for each in ended[: len(PROMPTS)]]

    def found(*others: Request) -> list[Any]:
        serving = tiny_serving(backend="cpu", quantization=quantization, dtype="bfloat16", num_threads=2)
        try:
            return asyncio.run(play(serving, *others))
        finally:
            serving.close()

    chosen = found()
    assert chosen == found(
        request("drawn", max_tokens=9), request("told", temperature=0.0, max_tokens=17, logprobs=1)
    )
    monkeypatch.setattr(Sampler, "takes_likeliest", False)
    assert chosen == found()


def test_fingerprints_tell_levels_and_formats_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for level in levels():
        monkeypatch.setenv(LEVEL_VARIABLE, level)
        for quantization in ("none", "int8", "int8-a16", "int4", "int4-a16", "int4-64"):
            serving = tiny_serving(backend="cpu", quantization=quantization, dtype="float32")
            found.append(serving.executor.numeric_fingerprint)
            serving.close()
    assert len(found) == len(dict.fromkeys(found))


def test_layers_that_are_not_packed_are_torch_s() -> None:
    ops, x_TI = CpuOps(1), torch.randn(3, 4)
    assert torch.equal(ops.linear(x_TI, Linear(torch.eye(4))), x_TI)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backend": "torch", "quantization": "int8"}, "quantization is 'int8', which backend 'torch'"),
        (
            {"backend": "torch", "quantization": "int8-a16"},
            "quantization is 'int8-a16', which backend 'torch'",
        ),
        ({"backend": "cpu", "quantization": "none-a16"}, "choose from none, int8, .*int8-a16, int4-a16"),
        ({"backend": "cpu", "quantization": "int5"}, "quantization is 'int5'; choose from none, int8"),
        ({"backend": "cpu", "device": "cuda"}, "the cpu backend runs on 'cpu'"),
        ({"backend": "cpu", "dtype": "float16"}, "computes in 'float32' or 'bfloat16'"),
        ({"backend": "abacus"}, "choose 'auto', 'torch', 'reference' or 'cpu'"),
    ],
)
def test_what_cannot_be_served_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tiny_serving(**changes)


def test_without_kernels_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "weft.ops.cpu._kernels", None)
    monkeypatch.delattr("weft.ops.cpu._kernels", raising=False)
    with pytest.raises(ConfigurationError, match=r"install g\+\+ or clang"):
        tiny_serving(backend="cpu")
