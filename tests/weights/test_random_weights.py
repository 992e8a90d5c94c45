"""Weights without a checkpoint: each tensor follows from seed and name, whoever else was asked for."""

import pytest
import torch
from torch import Tensor

from weft.weights.random_weights import MetaWeights, RandomWeights

CPU = torch.device("cpu")
SHAPE = (64, 32)


def drawn(name: str = "a.weight", *, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return RandomWeights(seed, dtype, CPU).read(name, SHAPE)


def test_order_does_not_matter() -> None:
    source = RandomWeights(1, torch.float32, CPU)
    forwards = {name: source.read(name, SHAPE) for name in "abc"}
    backwards = {name: source.read(name, SHAPE) for name in "cba"}
    assert all(torch.equal(forwards[name], backwards[name]) for name in "abc")


def test_the_global_generator_plays_no_part() -> None:
    torch.manual_seed(0)
    first, state = drawn(), torch.get_rng_state()
    assert torch.equal(state, torch.Generator().manual_seed(0).get_state())
    torch.manual_seed(1)
    assert torch.equal(first, drawn())


def test_names_and_seeds_have_their_own_streams() -> None:
    tensors = [drawn("a"), drawn("b"), drawn("a", seed=2), drawn("1:a", seed=1), drawn("a", seed=-1)]
    for number, tensor in enumerate(tensors):
        assert not any(torch.equal(tensor, other) for other in tensors[:number])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_types_get_the_same_numbers_rounded(dtype: torch.dtype) -> None:
    assert torch.equal(drawn(dtype=dtype), drawn().to(dtype))


def test_spread_and_ones() -> None:
    source = RandomWeights(3, torch.float32, CPU, std=0.5)
    assert source.read("w", (500, 500)).std().item() == pytest.approx(0.5, rel=0.01)
    assert source.read("w.bias", (500,)).abs().max().item() > 0
    for name in ("model.norm.weight", "model.layers.0.input_layernorm.weight"):
        assert torch.equal(source.read(name, (9,)), torch.ones(9))
    source.finish({"a": "b"})


def test_linear_layers_join() -> None:
    layer = RandomWeights(1, torch.float32, CPU).linear(["a", "b"], [3, 5], 4)
    assert layer.weight_OI.shape == (8, 4)
    assert layer.bias_O is None


def test_meta_weights_have_shapes_only() -> None:
    source = MetaWeights(torch.bfloat16)
    layer = source.linear(["a", "b"], [2**40, 2**40], 4096, bias=True)
    assert layer.weight_OI.shape == (2**41, 4096)
    assert layer.weight_OI.is_meta
    assert layer.weight_OI.dtype == torch.bfloat16
    source.finish()
