"""Weights packed as a model asks for them."""

import pytest
import torch

from weft.contracts.errors import ConfigurationError
from weft.weights.packed import PackedFormat, PackedLinear
from weft.weights.packing import KINDS, PackedWeights, pack
from weft.weights.random_weights import RandomWeights

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("kind", "format", "group"),
    [
        ("none", PackedFormat.FLOAT32, 128),
        ("int8", PackedFormat.INT8, 128),
        ("int4", PackedFormat.INT4, 32),
        ("int4-64", PackedFormat.INT4, 64),
    ],
)
def test_a_kind_names_a_format(kind: str, format: PackedFormat, group: int) -> None:
    weights = PackedWeights(RandomWeights(0, torch.float32, CPU), kind)
    layer = weights.linear(["a", "b"], [3, 5], 128, bias=True)
    assert isinstance(layer, PackedLinear)
    assert (layer.format, layer.group_inputs) == (format, group)
    assert layer.weight_OI.shape == (8, 128)
    plain = RandomWeights(0, torch.float32, CPU).linear(["a", "b"], [3, 5], 128, bias=True)
    assert layer.bias_O is not None
    assert plain.bias_O is not None
    assert torch.equal(layer.bias_O, plain.bias_O)


def test_experts_and_plain_tensors_stay_as_they_are() -> None:
    source = RandomWeights(0, torch.float32, CPU)
    weights = PackedWeights(source, "int8")
    for name in ("model.layers.0.mlp.gate", "model.layers.0.mlp.experts.3.down_proj"):
        assert torch.equal(weights.linear([name], [4], 8).weight_OI, source.read(f"{name}.weight", (4, 8)))
    assert isinstance(weights.linear(["model.layers.0.mlp.gate_proj"], [4], 8), PackedLinear)
    assert torch.equal(
        weights.read("model.embed_tokens.weight", (4, 8)), source.read("model.embed_tokens.weight", (4, 8))
    )


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="float16"):
        pack(torch.ones(2, 2, dtype=torch.float16), None, "none")
    with pytest.raises(ConfigurationError, match=f"'int3'.*{', '.join(KINDS)}"):
        PackedWeights(RandomWeights(0, torch.float32, CPU), "int3")
