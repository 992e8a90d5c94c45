"""Tensors of a checkpoint arrive in the type that was asked for, or with an error that says what to do."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.weights.checkpoints import (
    CPU,
    EMBEDDING,
    HEAD,
    NORM,
    QUERY,
    opened,
    read_all,
    same,
    some_tensors,
    write,
    write_index,
    write_shards,
)
from weft.contracts.errors import ConfigurationError
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.finite import is_finite

FLOATS = [torch.float32, torch.float16, torch.bfloat16]
TIED = {HEAD: EMBEDDING}


@pytest.mark.parametrize("stored", FLOATS, ids=str)
@pytest.mark.parametrize("wanted", FLOATS, ids=str)
def test_formats_are_converted(tmp_path: Path, stored: torch.dtype, wanted: torch.dtype) -> None:
    tensors = some_tensors(stored)
    write(tmp_path, tensors)
    source = opened(tmp_path, wanted)
    for name, tensor in tensors.items():
        found = source.read(name, tuple(tensor.shape))
        assert found.dtype == wanted
        assert torch.equal(found, tensor.to(wanted))
    source.finish()


def test_shards_read_as_one(tmp_path: Path) -> None:
    tensors = some_tensors()
    write_shards(tmp_path, tensors)
    assert same(read_all(tmp_path, tensors), tensors)


def test_an_index_may_name_the_single_file(tmp_path: Path) -> None:
    tensors = some_tensors()
    write(tmp_path, tensors)
    write_index(tmp_path, dict.fromkeys(tensors, "model.safetensors"))
    assert same(read_all(tmp_path, tensors), tensors)


def test_the_meta_device_is_refused(tmp_path: Path) -> None:
    """The meta device has no numbers to check, and a model that asks for it wants no checkpoint."""
    write(tmp_path, some_tensors())
    with pytest.raises(ConfigurationError, match="meta"):
        CheckpointWeights(tmp_path, torch.float32, torch.device("meta"))


def test_what_was_read_does_not_hang_on_the_file(tmp_path: Path) -> None:
    tensors = some_tensors()
    path = write(tmp_path, tensors)
    found = read_all(tmp_path, tensors)
    num_bytes = path.stat().st_size
    with path.open("r+b") as file:
        file.write(b"\xff" * num_bytes)
    assert same(found, tensors)


def test_names_may_lack_the_first_part(tmp_path: Path) -> None:
    tensors = some_tensors()
    write(tmp_path, {name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    assert same(read_all(tmp_path, tensors), tensors)


def test_one_name_that_lacks_the_first_part_is_missing(tmp_path: Path) -> None:
    """Not every name lacks it, so "norm.weight" is something else."""
    tensors = some_tensors()
    write(tmp_path, {**tensors, "norm.weight": tensors[NORM].clone()})
    source = opened(tmp_path)
    del tensors[NORM]
    for name, tensor in tensors.items():
        source.read(name, tuple(tensor.shape))
    with pytest.raises(ConfigurationError, match=r"holds 2 tensors .* 'model.norm.weight', 'norm.weight'"):
        source.finish()


def test_a_linear_layer_joins_its_parts(tmp_path: Path) -> None:
    parts = {f"{name}.{kind}": torch.randn(3, 4) for name in "ab" for kind in ("weight",)}
    biases = {f"{name}.bias": torch.randn(3) for name in "ab"}
    write(tmp_path, parts | biases)
    layer = opened(tmp_path).linear(["a", "b"], [3, 3], 4, bias=True)
    assert torch.equal(layer.weight_OI, torch.cat([parts["a.weight"], parts["b.weight"]]))
    assert layer.bias_O is not None
    assert torch.equal(layer.bias_O, torch.cat([biases["a.bias"], biases["b.bias"]]))


def test_a_missing_tensor_is_named_with_near_ones(tmp_path: Path) -> None:
    write(tmp_path, some_tensors())
    with pytest.raises(
        ConfigurationError, match=r"no tensor 'model.layers.1.self_attn.q_proj.weight'"
    ) as caught:
        opened(tmp_path).read("model.layers.1.self_attn.q_proj.weight", (4, 4))
    assert f"nearest names are '{QUERY}'" in str(caught.value)
    with pytest.raises(ConfigurationError, match="no tensor 'zzz'; check that"):
        opened(tmp_path).read("zzz", (4, 4))


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        (EMBEDDING, "vocab_size and hidden_size"),
        (QUERY, "num_attention_heads, head_dim"),
        (NORM, "check hidden_size"),
    ],
)
def test_a_wrong_shape_names_the_config_value(tmp_path: Path, name: str, advice: str) -> None:
    write(tmp_path, some_tensors())
    with pytest.raises(
        ConfigurationError, match=r"has shape \[[\d, ]+\], but config.json asks for \[2, 8\]"
    ) as caught:
        opened(tmp_path).read(name, (2, 8))
    assert advice in str(caught.value)
    assert f"{name!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "stored"), [(torch.float8_e4m3fn, "F8_E4M3"), (torch.int8, "I8"), (torch.float64, "F64")]
)
def test_other_formats_are_refused(tmp_path: Path, dtype: torch.dtype, stored: str) -> None:
    write(tmp_path, {"w": torch.zeros(4).to(dtype)})
    with pytest.raises(
        ConfigurationError, match=f"tensor 'w' is stored as {stored}, which Weft does not read"
    ):
        opened(tmp_path).read("w", (4,))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1000, 4098])
def test_numbers_that_are_none_are_found(tmp_path: Path, value: float, place: int) -> None:
    for dtype in FLOATS:
        tensor = torch.zeros(4099, dtype=dtype)
        assert is_finite(tensor)
        tensor[place] = value
        write(tmp_path, {"w": tensor})
        with pytest.raises(ConfigurationError, match="tensor 'w' holds NaN or infinity"):
            opened(tmp_path).read("w", (4099,))


def test_a_number_too_large_for_the_type_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"w": torch.tensor([1.0, -70000.0])})
    with pytest.raises(ConfigurationError, match=r"'w' holds 70000, which does not fit into torch.float16"):
        opened(tmp_path, torch.float16).read("w", (2,))


def test_an_empty_tensor_is_finite(tmp_path: Path) -> None:
    write(tmp_path, {"w": torch.zeros(0, 3)})
    assert opened(tmp_path).read("w", (0, 3)).shape == (0, 3)


def read_all_but(directory: Path, tensors: dict[str, Tensor], left: str) -> CheckpointWeights:
    source = opened(directory)
    for name, tensor in tensors.items():
        if name != left:
            source.read(name, tuple(tensor.shape))
    return source


def test_left_over_tensors_are_counted(tmp_path: Path) -> None:
    extra = {f"model.layers.{layer}.extra": torch.zeros(1) for layer in range(9)}
    write(tmp_path, some_tensors() | extra)
    source = read_all_but(tmp_path, some_tensors(), left="")
    with pytest.raises(
        ConfigurationError, match=r"holds 9 tensors that the model does not use: .* and 4 more"
    ):
        source.finish()


def test_a_refused_tensor_counts_as_left_over(tmp_path: Path) -> None:
    write(tmp_path, {"w": torch.zeros(3)})
    source = opened(tmp_path)
    with pytest.raises(ConfigurationError, match="shape"):
        source.read("w", (4,))
    with pytest.raises(ConfigurationError, match="holds 1 tensors"):
        source.finish()


def test_derived_buffers_may_be_left_over(tmp_path: Path) -> None:
    tensors = some_tensors()
    write(tmp_path, {**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)})
    assert same(read_all(tmp_path, tensors), tensors)


def test_a_tied_tensor_may_be_absent_or_equal(tmp_path: Path) -> None:
    tensors = some_tensors()
    write(tmp_path / "absent", {name: tensor for name, tensor in tensors.items() if name != HEAD})
    write(tmp_path / "equal", {**tensors, HEAD: tensors[EMBEDDING].clone()})
    for directory in ("absent", "equal"):
        read_all_but(tmp_path / directory, tensors, left=HEAD).finish(TIED)


def test_a_head_that_is_not_tied_after_all(tmp_path: Path) -> None:
    tensors = some_tensors()
    write(tmp_path, tensors)
    with pytest.raises(
        ConfigurationError, match=r"'lm_head.weight' differs .* set tie_word_embeddings to false"
    ):
        read_all_but(tmp_path, tensors, left=HEAD).finish(TIED)
    write(tmp_path, {**tensors, HEAD: tensors[EMBEDDING].to(torch.bfloat16)})
    with pytest.raises(ConfigurationError, match="differs"):
        read_all_but(tmp_path, tensors, left=HEAD).finish(TIED)
    with pytest.raises(ConfigurationError, match=r"does not use: 'lm_head.weight'"):
        read_all_but(tmp_path, tensors, left=HEAD).finish()


def test_a_tensor_may_be_read_twice(tmp_path: Path) -> None:
    write(tmp_path, some_tensors())
    source = CheckpointWeights(tmp_path, torch.float32, CPU)
    assert torch.equal(source.read(NORM, (4,)), source.read(NORM, (4,)))
