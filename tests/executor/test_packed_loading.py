"""A model whose weights were packed before is the same model; what goes wrong with the file is mended or told."""

import asyncio
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.executor.tiny_serving import CONFIG, ask, request, tiny_serving
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.engine.driver import EngineDriver
from weft.executor.loading import Serving, build_model, load_serving
from weft.model_specs.families import spec_from_config
from weft.ops.torch_ops import TorchOps
from weft.weights.packed_cache import PackedCache
from weft.weights.random_weights import RandomWeights
from weft.weights.save import save_checkpoint

OPTIONS = ServingOptions(backend="cpu", quantization="int4", num_threads=1, block_tokens=4, max_num_seqs=8)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of the weights of `tiny_serving`, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return save(tmp_path / "model")


def save(directory: Path, seed: int = 0) -> Path:
    tensors: dict[str, torch.Tensor] = {}

    class Noted(RandomWeights):
        def read(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
            tensors[name] = super().read(name, shape)
            return tensors[name]

    weights = Noted(seed, torch.float32, torch.device("cpu"), std=0.35)
    build_model(spec_from_config(CONFIG, "the config"), weights, TorchOps(1), 8)
    save_checkpoint(directory, CONFIG, tensors)
    return directory


def outputs(serving: Serving) -> list[Any]:
    async def run() -> list[Any]:
        driver = EngineDriver(serving.config, serving.executor)
        requests = (request("a", logprobs=0), request("b", (9, 8), temperature=0.0, logprobs=0))
        return [(each.outputs, each.logprobs) for each in await ask(driver, *requests)]

    try:
        return asyncio.run(run())
    finally:
        serving.close()


def expected(kind: str = "int4") -> list[Any]:
    return outputs(tiny_serving(backend="cpu", quantization=kind, dtype="float32"))


def entries() -> list[Path]:
    return [entry.path for entry in PackedCache.of_user().entries()]


def test_the_first_start_packs_and_the_next_ones_map(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outputs(load_serving(model, OPTIONS)) == expected()
    (entry,) = entries()
    monkeypatch.setattr("weft.weights.checkpoint.CheckpointWeights.read", None)  # nothing is read of it
    assert outputs(load_serving(model, OPTIONS)) == expected()
    assert entries() == [entry]


def test_weights_that_keep_their_numbers_are_packed_in_memory(model: Path) -> None:
    assert outputs(load_serving(model, replace(OPTIONS, quantization="none"))) == expected("none")
    assert entries() == []


@pytest.mark.parametrize("first", ["int4", "int4-32-a16"])
def test_one_entry_serves_both_kinds_of_activations(
    first: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_serving(model, replace(OPTIONS, quantization=first)).close()
    (entry,) = entries()
    monkeypatch.setattr("weft.weights.checkpoint.CheckpointWeights.read", None)  # nothing is read of it
    narrow, floats = (
        load_serving(model, replace(OPTIONS, quantization=kind)) for kind in ("int4", "int4-a16")
    )
    assert narrow.executor.numeric_fingerprint != floats.executor.numeric_fingerprint
    assert outputs(narrow) == expected()
    assert outputs(floats) == expected("int4-a16")
    assert expected("int4-a16") != expected()
    assert entries() == [entry]


def test_other_weights_are_packed_anew(model: Path) -> None:
    outputs(load_serving(model, OPTIONS))
    before = entries()
    for path in model.iterdir():
        path.unlink()
    save(model, seed=1)
    assert outputs(load_serving(model, OPTIONS)) != expected()
    assert len(entries()) == 1
    assert entries() != before


@pytest.mark.parametrize("damage", ["truncated", "flipped", "another model's"])
def test_a_damaged_entry_is_made_anew_with_a_warning(model: Path, damage: str) -> None:
    outputs(load_serving(model, OPTIONS))
    (entry,) = entries()
    whole = entry.read_bytes()
    if damage == "truncated":
        entry.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        entry.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    else:
        from tests.weights.packed_models import packed_bytes

        entry.write_bytes(packed_bytes(num_hidden_layers=1, attention_bias=False))
    with pytest.warns(UserWarning, match="it is made anew"):
        serving = load_serving(model, OPTIONS)
    assert outputs(serving) == expected()
    assert entry.read_bytes() == whole


def test_where_nothing_can_be_kept_serving_goes_on(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (model.parent / "cache").write_text("a file where a directory should be")
    with pytest.warns(UserWarning, match="packed weights cannot be kept for the next start"):
        serving = load_serving(model, OPTIONS)
    assert outputs(serving) == expected()
    monkeypatch.setenv("WEFT_CACHE_LIMIT_BYTES", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert outputs(load_serving(model, OPTIONS)) == expected()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
def test_a_full_disk_is_no_end(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def to_a_full_disk(_: Any, data: Any) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(data)

    monkeypatch.setattr("weft.weights.packed_writer._CheckedStream.write", to_a_full_disk)
    with pytest.warns(UserWarning, match=r"No space left on device.*WEFT_CACHE_LIMIT_BYTES=0"):
        serving = load_serving(model, OPTIONS)
    assert outputs(serving) == expected()
    assert list(PackedCache.of_user().directory.iterdir()) == []


def test_a_damaged_checkpoint_is_told_and_leaves_nothing(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigurationError, match="truncated or damaged"):
        load_serving(model, OPTIONS)
    assert entries() == []
