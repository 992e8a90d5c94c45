"""A base with random weights, and a recipe of an adapter to it."""

from dataclasses import replace
from pathlib import Path

import torch

from tests.training.small_recipe import random_weights, small, tokenizer
from weft.executor.loading import build_model
from weft.ops.torch_ops import TorchOps
from weft.training.adapter_recipe import AdapterRecipe, AdapterShape
from weft.training.model_directory import write_model
from weft.training.products import WholeModel
from weft.training.recipe import ExpertsShape, Recipe, Stage, TrainingConfig
from weft.training.recipes.sources import chat


def small_moe() -> Recipe:
    """As `small`, with four experts of which two are chosen."""
    shape = replace(small().shape, intermediate_size=24, experts=ExpertsShape(num_experts=4, num_chosen=2))
    return replace(small(), name="small-moe", shape=shape)


def small_adapter(base: Path | None) -> AdapterRecipe:
    """One stage, of one batch a step."""
    return AdapterRecipe(
        name="small-adapter",
        summary="For tests.",
        adapter=AdapterShape(rank=3, alpha=12, targets=("q_proj", "v_proj", "down_proj")),
        base=base,
        context_tokens=128,
        batch_tokens=256,
        stages=(Stage(1.0, 128, ((1, chat),)),),
        training=TrainingConfig(
            num_steps=6, peak_learning_rate=0.02, warmup_steps=1, evaluate_every_steps=3, weight_decay=0.0
        ),
        evaluated_documents=2,
    )


def write_base(directory: Path, recipe: Recipe | None = None) -> Path:
    """A directory as a run would leave it, without training."""
    recipe = recipe or small()
    weights = random_weights()
    build_model(WholeModel(recipe).spec_with(tokenizer()), weights, TorchOps(1), 16)
    directory.mkdir()
    write_model(directory, recipe, tokenizer(), weights.parameters)
    return directory


def fill_with_noise(weights: dict[str, torch.Tensor], seed: int = 3) -> None:
    """As if something had been learnt."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in weights.values():
        tensor.detach().copy_(0.2 * torch.randn(tensor.shape, generator=generator))
