"""Experts in recipes: the model that is written, and the loss that keeps all experts in use."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.models.qwen3_moe.modeling_qwen3_moe import load_balancing_loss_func

from tests.training.small_adapter import small_moe
from tests.training.small_recipe import tokenizer
from weft.contracts.errors import ConfigurationError
from weft.ops.experts import route
from weft.training.balance import BalancingOps, imbalance
from weft.training.needs import estimate_needs
from weft.training.products import product_of
from weft.training.recipe import ExpertsShape
from weft.training.run import RunOptions, make_trainer, train


def test_imbalance_is_one_at_best_and_the_number_of_experts_at_worst() -> None:
    even = torch.eye(4).repeat(3, 1) * 1e-6
    assert float(imbalance(even, route(even, 1, True).experts_TK)) == pytest.approx(1, rel=1e-5)
    all_to_one = torch.tensor([50.0, 0, 0, 0]).repeat(12, 1)
    assert float(imbalance(all_to_one, route(all_to_one, 1, True).experts_TK)) == pytest.approx(4)


def test_it_is_that_of_transformers_which_counts_each_choice() -> None:
    scores = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
    theirs = load_balancing_loss_func((scores,), num_experts=6, top_k=2)
    ours = imbalance(scores, route(scores, 2, True).experts_TK)
    assert float(ours) == pytest.approx(float(theirs) / 2, rel=1e-5)


def router_gradient(weight: float) -> torch.Tensor:
    shape = replace(small_moe().shape, experts=ExpertsShape(4, 2, balance_weight=weight))
    recipe = replace(small_moe(), shape=shape)
    trainer = make_trainer(recipe, tokenizer(), product_of(recipe).ops(1), torch.float32)
    loss = trainer.take_step()
    assert loss == pytest.approx(6, abs=0.5)
    return trainer.tensors()["first_moments.model.layers.0.mlp.gate.weight"]


def test_the_penalty_reaches_the_routers_and_stays_out_of_the_reported_loss() -> None:
    assert not torch.allclose(router_gradient(0.0), router_gradient(10.0))


def test_nothing_is_noted_without_gradients() -> None:
    recipe = small_moe()
    ops = product_of(recipe).ops(1)
    assert isinstance(ops, BalancingOps)
    trainer = make_trainer(recipe, tokenizer(), ops, torch.float32)
    trainer.take_step()
    trainer.record()
    with pytest.raises(RuntimeError, match="non-empty"):
        ops.take_penalty()


def test_a_run_leaves_a_qwen3_moe_that_transformers_reads(tmp_path: Path) -> None:
    root = tmp_path / "model"
    train(small_moe().scaled(2), root, RunOptions(), lambda line: None)
    config = json.loads((root / "config.json").read_text())
    assert config["architectures"] == ["Qwen3MoeForCausalLM"]
    found: tuple[Any, dict[str, Any]] = transformers.AutoModelForCausalLM.from_pretrained(  # type: ignore[assignment]
        root, output_loading_info=True
    )
    model, told = found
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert model.num_parameters() == product_of(small_moe()).spec_with(tokenizer()).num_parameters


def test_experts_are_counted() -> None:
    fewer = replace(small_moe(), shape=replace(small_moe().shape, experts=ExpertsShape(2, 2)))
    one, other = (estimate_needs(recipe, torch.float32) for recipe in (small_moe(), fewer))
    assert one.states > other.states
    too_many = replace(small_moe(), shape=replace(small_moe().shape, experts=ExpertsShape(2, 3)))
    with pytest.raises(ConfigurationError, match="num_experts_per_tok"):
        estimate_needs(too_many, torch.float32)
