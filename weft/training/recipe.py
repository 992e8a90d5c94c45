"""Recipes: all that decides what a training run makes, as data. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Self

from weft.contracts.errors import ConfigurationError
from weft.training.text.documents import Document, TokenDocument
from weft.training.text.teller import Teller

if TYPE_CHECKING:
    import tokenizers

    from weft.models.decoder import Decoder
    from weft.ops.backend import Ops

Source = Callable[[Teller], Document | TokenDocument]
"""Makes one document from the teller's chance, and honours `teller.held_out`."""


class Trained(NamedTuple):
    """A model in the middle of its training, for whoever evaluates it. `max_length_tokens`: the most that it can read
    at once, which is as much as the recipe's longest stage."""

    model: "Decoder"
    ops: "Ops"
    tokenizer: "tokenizers.Tokenizer"
    max_length_tokens: int


Evaluation = Callable[[Trained], Mapping[str, float]]
"""Named numbers for the curve; the same names each time."""


@dataclass(frozen=True, slots=True)
class ExpertsShape:
    """Experts in place of each feed-forward part: a token goes to `num_chosen` of `num_experts`.

    `balance_weight`: of the loss that keeps all of them in use (see `balance`); 0.01 is that of Switch Transformers
    (arXiv 2101.03961, section 2.2).
    """

    num_experts: int
    num_chosen: int
    balance_weight: float = 0.01


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Sizes of a model of Qwen3's shape (arXiv 2505.09388, section 2) with tied embeddings.

    `intermediate_size`: of the feed-forward part, or of each of the `experts` that take its place. `initial_std`: of
    the weights before the first step.
    """

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    initial_std: float = 0.02
    rope_theta: float = 10_000.0
    experts: ExpertsShape | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run.

    `share`: of all steps; those of a recipe add up to 1. `max_length_tokens`: longer documents are cut there.
    `sources`: with their weights, in proportion to which documents are drawn.
    """

    share: float
    max_length_tokens: int
    sources: tuple[tuple[float, Source], ...]


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to train.

    `accumulate`: batches per step, one after the other, so that a step may be larger than memory allows at once.
    `betas`, `weight_decay`: of AdamW (arXiv 1711.05101); the decay spares norms. `max_gradient_norm`: longer
    gradients are shortened to this (arXiv 1211.5063). `final_share`: of the peak learning rate, at the end.
    """

    num_steps: int
    accumulate: int = 1
    peak_learning_rate: float = 4e-3
    warmup_steps: int = 60
    final_share: float = 0.02
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    max_gradient_norm: float = 1.0
    evaluate_every_steps: int = 500

    def scaled(self, num_steps: int) -> "TrainingConfig":
        """The same in so many steps: warm-up and evaluations keep their share of them."""
        return replace(
            self,
            num_steps=num_steps,
            warmup_steps=_in_proportion(self.warmup_steps, num_steps, self.num_steps),
            evaluate_every_steps=_in_proportion(self.evaluate_every_steps, num_steps, self.num_steps),
        )


def _in_proportion(count: int, new_total: int, old_total: int) -> int:
    """At least 1, unless there was nothing."""
    return max(min(count, 1), round(count * new_total / old_total))


@dataclass(frozen=True, slots=True, kw_only=True)
class Curriculum:
    """What a run teaches, whatever it teaches it to.

    `summary`: a sentence for the listing. `context_tokens`: the longest sequence that the model will serve.
    `batch_tokens`: a batch ends with the document that brings it to so many, so it may be longer by almost one
    document. `evaluated_documents`: on which bits per byte are measured, fresh ones and as many held-out ones.
    `evaluations`: what is measured beside that. Raises `ConfigurationError` for what cannot be trained.
    """

    name: str
    summary: str
    context_tokens: int
    batch_tokens: int
    stages: tuple[Stage, ...]
    training: TrainingConfig
    seed: int = 1
    evaluated_documents: int = 100
    evaluations: tuple[Evaluation, ...] = ()

    def __post_init__(self) -> None:
        self.refuse(_problems(self))

    def refuse(self, problems: list[str]) -> None:
        """Raises `ConfigurationError` with the first of them, where there is one."""
        for problem in problems:
            raise ConfigurationError(f"recipe {self.name!r}: {problem}")

    def stage_starts(self) -> tuple[int, ...]:
        """The first step of each stage, and the number of all steps as the last entry."""
        shares = accumulate((stage.share for stage in self.stages), initial=0.0)
        return tuple(round(share * self.training.num_steps) for share in shares)

    def stage_at(self, step: int) -> Stage:
        """The stage of a step; steps count from 0."""
        ends = self.stage_starts()[1:]
        return next(stage for stage, end in zip(self.stages, ends, strict=True) if step < end)

    def longest_tokens(self) -> int:
        """The longest document of any stage."""
        return max(stage.max_length_tokens for stage in self.stages)

    def scaled(self, num_steps: int) -> Self:
        """The same recipe in so many steps, all stages with their shares."""
        return replace(self, training=self.training.scaled(num_steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe(Curriculum):
    """A whole model: the same recipe, seed and number of threads make the same one.

    `tokenizer_documents`: from which the tokenizer is learned, drawn from `tokenizer_sources` (from those of all
    stages where there are none); neither name nor seed of the recipe changes them, so a pair of models can share a
    tokenizer.
    """

    shape: ModelShape
    vocab_size: int
    tokenizer_documents: int = 20_000
    tokenizer_sources: tuple[tuple[float, Source], ...] = ()

    def __post_init__(self) -> None:
        Curriculum.__post_init__(self)
        self.refuse(below_one(vocab_size=self.vocab_size, tokenizer_documents=self.tokenizer_documents))


def below_one(**counts: int) -> list[str]:
    """A problem for each count, by its name, that is less than 1."""
    return [f"{name} is {value}; it must be at least 1" for name, value in counts.items() if value < 1]


def _problems(recipe: Curriculum) -> list[str]:
    """What cannot work; each says what to do."""
    found = below_one(
        batch_tokens=recipe.batch_tokens,
        evaluated_documents=recipe.evaluated_documents,
        num_steps=recipe.training.num_steps,
        accumulate=recipe.training.accumulate,
        evaluate_every_steps=recipe.training.evaluate_every_steps,
    )
    total = sum(stage.share for stage in recipe.stages)
    if abs(total - 1) > 1e-6 or any(stage.share <= 0 for stage in recipe.stages):
        found.append(f"the shares of its stages add up to {total:g}; they must be above 0 and add up to 1")
    return found + [problem for stage in recipe.stages for problem in _stage_problems(stage, recipe)]


def _stage_problems(stage: Stage, recipe: Curriculum) -> list[str]:
    found: list[str] = []
    if not 2 <= stage.max_length_tokens <= recipe.context_tokens:
        found.append(
            f"a stage has max_length_tokens {stage.max_length_tokens}; it must be at least 2 and at most "
            f"context_tokens, {recipe.context_tokens}"
        )
    if not stage.sources or any(weight <= 0 for weight, _ in stage.sources):
        found.append("a stage needs sources, each with a weight above 0; give it some")
    return found
