"""A recipe so small that its run takes seconds."""

from functools import cache

import tokenizers
import torch

from weft.training.batches import recipe_tokenizer
from weft.training.recipe import ModelShape, Recipe, Stage, TrainingConfig
from weft.training.recipes.sources import OfSizes, chat, story
from weft.training.tasks.random_excerpts import random_excerpts
from weft.training.trainable_weights import TrainableWeights
from weft.weights.random_weights import RandomWeights


def small() -> Recipe:
    """Two stages, of two batches a step."""
    return Recipe(
        name="small",
        summary="For tests.",
        shape=ModelShape(
            hidden_size=32,
            intermediate_size=48,
            num_layers=2,
            num_heads=4,
            num_kv_heads=2,
            head_dim=8,
            initial_std=0.1,
        ),
        vocab_size=400,
        context_tokens=256,
        batch_tokens=256,
        stages=(
            Stage(0.4, 64, ((1, OfSizes(random_excerpts, 3, 8)),)),
            Stage(0.6, 128, ((2, chat), (1, story))),
        ),
        training=TrainingConfig(num_steps=20, accumulate=2, warmup_steps=3, evaluate_every_steps=5),
        tokenizer_documents=200,
        evaluated_documents=3,
    )


@cache
def tokenizer() -> tokenizers.Tokenizer:
    """Of 400 entries, from a few documents."""
    return recipe_tokenizer(small())


def random_weights(seed: int = 0, dtype: torch.dtype = torch.float32) -> TrainableWeights:
    return TrainableWeights(RandomWeights(seed, torch.float32, torch.device("cpu"), std=0.1), dtype)
