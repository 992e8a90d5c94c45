"""The built-in models: a target and a draft that share text, tokenizer and order of lessons.

What is learnt when decides whether looking up is learnt at all: first the circuit that looks back (`token_lessons.py`),
then short lookups and copies, then the tasks alone at their smallest, where answers lie close together, then all text,
and lengths grow only after that.
"""

from weft.training.accuracy import Accuracy
from weft.training.recipe import ModelShape, Recipe, Source, Stage, TrainingConfig
from weft.training.recipes.sources import Exercises, OfSizes, chat, saga, story
from weft.training.tasks.catalogue import TASKS
from weft.training.tasks.random_excerpts import random_excerpts
from weft.training.tasks.token_lessons import ExcerptedTokens, RepeatedTokens

VOCAB_SIZE, CONTEXT_TOKENS = 1024, 2048
MIDDLE_SIZES = {
    "combine": 60,
    "copy": 12,
    "reverse": 5,
    "sort": 5,
    "count": 12,
    "add": 2,
    "pattern": 3,
    "json": 4,
    "tool": 3,
    "chat": 3,
}
"""Of the exercises that show in the curve."""
Sources = tuple[tuple[float, Source], ...]

WEIGHTS = {
    "lookup": 4.0,
    "combine": 2.5,
    "copy": 1.0,
    "reverse": 1.5,
    "sort": 3.0,
    "count": 2.5,
    "add": 3.0,
    "pattern": 2.0,
    "json": 2.5,
    "tool": 1.5,
    "chat": 1.5,
}
"""Of the exercises among each other, where all are drawn from: more of what is learnt more slowly."""

TEXT: Sources = ((6.0, story), (3.0, chat))
"""A quarter of what is drawn: with a twentieth the tasks went well and stories fell apart."""

LESS_TEXT: Sources = ((2.5, story), (1.5, chat), (0.4, saga))
"""Afterwards: as much of it as before, and what stories are likely to say drowned out what was given."""

ALL_TOKENS: Sources = ((0.5, ExcerptedTokens(VOCAB_SIZE, 10, 60)),)
"""In every stage: a fifth of the tokens are in no other answer, and what is never asked for is never said."""

LOOKED_BACK: Sources = ((1.0, ExcerptedTokens(VOCAB_SIZE, 10, 60)), (1.0, OfSizes(random_excerpts, 10, 40)))
"""So that what the first lessons taught is not forgotten while the rest is young."""

TOKENIZER_SOURCES: Sources = (
    *((4.0, source) for _, source in TEXT),
    (1.0, OfSizes(random_excerpts, 10, 40)),
    *((1.0, Exercises(name, most=min(120, task.sizes[1]))) for name, task in TASKS.items()),
)


def exercises(most_words: int, **largest: int) -> Sources:
    """Of all tasks. `most_words`: of what is given, where size means that; `largest`: sizes of others."""
    limits = {"lookup": most_words, "combine": min(most_words, TASKS["combine"].sizes[1])} | largest
    return tuple((weight, Exercises(name, most=limits.get(name))) for name, weight in WEIGHTS.items())


def stages() -> tuple[Stage, ...]:
    """Of both models."""
    easy: Sources = ((5.0, Exercises("lookup", most=50)), (2.0, Exercises("copy", most=10)))
    shortest = exercises(60, copy=8, reverse=5, sort=4, count=9, add=2, pattern=3, json=3, tool=2, chat=2)
    small = exercises(120, copy=16, reverse=6, sort=6, count=15, json=4, tool=3, chat=4)
    return (
        Stage(0.012, 64, ((1.0, RepeatedTokens(VOCAB_SIZE)),)),
        Stage(0.06, 64, ((1.0, ExcerptedTokens(VOCAB_SIZE, 5, 9)),)),
        Stage(0.068, 384, (*easy, *LOOKED_BACK)),
        Stage(0.24, 384, (*shortest, *ALL_TOKENS)),
        Stage(0.24, 512, (*small, *LOOKED_BACK, *TEXT)),
        Stage(0.26, 1024, (*exercises(240), (2.0, Exercises("lookup", most=240)), *LOOKED_BACK, *LESS_TEXT)),
        Stage(
            0.12,
            CONTEXT_TOKENS,
            (*exercises(400), (1.0, Exercises("lookup", 400)), *ALL_TOKENS, *LESS_TEXT),
        ),
    )


def weft_tiny() -> Recipe:
    """The target."""
    return _recipe(
        "weft-tiny",
        "The built-in target: 3 M parameters, stories, chats and eleven tasks with checkable answers.",
        ModelShape(256, 640, 4, 8, 4, 32, initial_std=0.02),
        TrainingConfig(num_steps=6500, warmup_steps=40, peak_learning_rate=3e-3, evaluate_every_steps=250),
    )


def weft_nano() -> Recipe:
    """The draft."""
    return _recipe(
        "weft-nano",
        "The built-in draft: 0.7 M parameters, the text and tokenizer of weft-tiny.",
        ModelShape(128, 384, 3, 4, 2, 32, initial_std=0.02),
        TrainingConfig(num_steps=6500, warmup_steps=40, peak_learning_rate=4e-3, evaluate_every_steps=250),
    )


def _recipe(name: str, summary: str, shape: ModelShape, training: TrainingConfig) -> Recipe:
    checked = (
        Accuracy("lookup", 50, held_out=False),
        Accuracy("lookup", 100, held_out=False),
        Accuracy("lookup", 100),
        Accuracy("lookup", 200),
        *(Accuracy(task, size) for task, size in MIDDLE_SIZES.items()),
    )
    return Recipe(
        name=name,
        summary=summary,
        shape=shape,
        vocab_size=VOCAB_SIZE,
        context_tokens=CONTEXT_TOKENS,
        batch_tokens=2560,
        stages=stages(),
        training=training,
        tokenizer_sources=TOKENIZER_SOURCES,
        evaluations=checked,
    )
