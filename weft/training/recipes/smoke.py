"""The smallest recipe that makes something that talks: to see in minutes that everything works."""

from weft.training.recipe import ModelShape, Recipe, Stage, TrainingConfig
from weft.training.recipes.sources import OfSizes, chat, saga, story
from weft.training.tasks.random_excerpts import random_excerpts
from weft.training.tasks.token_lessons import ExcerptedTokens, RepeatedTokens

VOCAB_SIZE = 1024


def smoke() -> Recipe:
    """Copying first, then stories and chats."""
    return Recipe(
        name="smoke",
        summary="1 M parameters, 2 M tokens, mostly stories and chats: to see in minutes that everything works.",
        shape=ModelShape(
            hidden_size=128, intermediate_size=512, num_layers=4, num_heads=4, num_kv_heads=2, head_dim=32
        ),
        vocab_size=VOCAB_SIZE,
        context_tokens=1024,
        batch_tokens=2048,
        stages=(
            Stage(0.06, 64, ((1, RepeatedTokens(VOCAB_SIZE)),)),
            Stage(0.24, 64, ((1, ExcerptedTokens(VOCAB_SIZE, 5, 9)),)),
            Stage(0.40, 512, ((1, OfSizes(random_excerpts, 10, 60)), (3, chat), (2, story))),
            Stage(0.30, 1024, ((1, OfSizes(random_excerpts, 10, 60)), (3, chat), (2, story), (1, saga))),
        ),
        training=TrainingConfig(num_steps=1000, warmup_steps=60, evaluate_every_steps=100),
    )
