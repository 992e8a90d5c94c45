"""A model beside an adapter computes as transformers does on weights that other code has merged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from tests.training.small_adapter import fill_with_noise, small_adapter, small_moe, write_base
from tests.training.small_recipe import tokenizer
from weft.contracts.errors import ConfigurationError
from weft.executor.loading import build_model
from weft.model_specs.families import read_spec
from weft.ops.backend import PackedBatch
from weft.ops.torch_ops import TorchOps
from weft.training.adapter_recipe import ADAPTABLE, AdapterShape
from weft.training.adapter_weights import AdapterWeights
from weft.training.products import product_of
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.merged import merge_adapter

CPU = torch.device("cpu")
TOKENS = torch.tensor([7, 300, 41, 41, 12, 99, 260, 8, 33])


def our_logits(directory: Path, weights: AdapterWeights | CheckpointWeights) -> Tensor:
    spec, ops = read_spec(directory), TorchOps(1)
    model = build_model(spec, weights, ops, 64)
    plan = ops.plan_attention(PackedBatch((len(TOKENS),), spec.layer_windows))
    return model.logits(model.forward(TOKENS, torch.arange(len(TOKENS)), plan))


def stored(directory: Path) -> CheckpointWeights:
    return CheckpointWeights(directory, torch.float32, CPU)


def oracle_logits(base: Path, adapter: Path) -> Tensor:
    """Of transformers, its modules found by name and changed one by one."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = json.loads((adapter / "adapter_config.json").read_text())
    factors = load_file(adapter / "adapter_model.safetensors")
    used = 0
    for name, module in model.named_modules():
        if name.split(".")[-1] in config["target_modules"]:
            lower = factors[f"base_model.model.{name}.lora_A.weight"]
            upper = factors[f"base_model.model.{name}.lora_B.weight"]
            update = torch.einsum("or,ri->oi", upper, lower) * (config["lora_alpha"] / config["r"])
            module.weight.data += update
            used += 2
    assert used == len(factors) > 0
    with torch.no_grad():
        found: Tensor = model(TOKENS[None]).logits[0]
    return found


@pytest.mark.parametrize("targets", [("q_proj", "v_proj", "down_proj"), ADAPTABLE], ids=len)
def test_beside_the_base_and_merged_it_is_what_transformers_computes(
    targets: tuple[str, ...], tmp_path: Path
) -> None:
    base, adapter = write_base(tmp_path / "base"), tmp_path / "adapter"
    recipe = replace(small_adapter(base), adapter=AdapterShape(3, 12, targets))
    weights = AdapterWeights(stored(base), recipe.adapter, seed=1)
    before = our_logits(base, weights)
    assert torch.equal(before, our_logits(base, stored(base)))
    fill_with_noise(weights.parameters)
    beside = our_logits(base, weights)
    assert (beside - before).abs().max() > 0.1
    adapter.mkdir()
    product_of(recipe).write(adapter, tokenizer(), weights)
    expected = oracle_logits(base, adapter)
    torch.testing.assert_close(beside, expected, rtol=1e-4, atol=1e-4)
    # The base, and so the merged model, is stored in bfloat16.
    assert merge_adapter(base, adapter, tmp_path / "merged") == 2 * len(targets)
    merged = our_logits(tmp_path / "merged", stored(tmp_path / "merged"))
    torch.testing.assert_close(merged, expected, rtol=0, atol=0.05 * float(expected.abs().max()))
    assert (merged - expected).abs().max() < 0.1 * (before - expected).abs().max()


def test_only_the_factors_get_gradients_and_the_sums_are_cast(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    weights = AdapterWeights(stored(base), AdapterShape(2, 4, ("k_proj",)), seed=1, dtype=torch.bfloat16)
    scores = our_logits(base, weights)
    torch.autograd.backward(scores.square().mean())
    assert {name.split(".")[-3] for name in weights.parameters} == {"k_proj"}
    for name, tensor in weights.parameters.items():
        # B is zero before the first step, so nothing reaches A yet.
        assert tensor.grad is not None
        assert bool(tensor.grad.any()) == ("lora_B" in name)
        assert tensor.dtype == torch.float32
    assert weights.read("model.layers.0.self_attn.k_proj.weight", (16, 32)).dtype == torch.bfloat16
    assert not weights.read("model.layers.0.self_attn.v_proj.weight", (16, 32)).requires_grad


def test_experts_are_not_adapted_and_attention_beside_them_is(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base", small_moe())
    with pytest.raises(
        ConfigurationError, match=r"'gate_proj' is to be adapted, .* leave it out of the recipe"
    ):
        our_logits(base, AdapterWeights(stored(base), AdapterShape(2, 4, ("gate_proj",)), seed=1))
    attention = AdapterWeights(stored(base), AdapterShape(2, 4, ("q_proj",)), seed=1)
    assert torch.equal(our_logits(base, attention), our_logits(base, stored(base)))


def test_the_seed_decides_the_first_factors(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base")
    one, same, other = (AdapterWeights(stored(base), AdapterShape(2, 4), seed) for seed in (1, 1, 2))
    for weights in (one, same, other):
        our_logits(base, weights)
    names = [name for name in one.parameters if "lora_A" in name]
    assert all(torch.equal(one.parameters[name], same.parameters[name]) for name in names)
    assert not any(torch.equal(one.parameters[name], other.parameters[name]) for name in names)
