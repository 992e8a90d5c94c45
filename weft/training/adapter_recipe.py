"""Recipes of adapters: what is learnt beside a model that stays as it is. Imports no torch."""

from dataclasses import dataclass, replace
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.training.recipe import Curriculum, Recipe, below_one

ADAPTABLE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The matrices of a layer by the last part of their names, in all families."""


@dataclass(frozen=True, slots=True)
class AdapterShape:
    """Sizes of an adapter (LoRA, Hu et al., arXiv 2106.09685, section 4.1).

    Each matrix W in `targets` gets a product of rank `rank` at its side: the model computes with W + alpha / rank B A.
    """

    rank: int
    alpha: float
    targets: tuple[str, ...] = ADAPTABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRecipe(Curriculum):
    """An adapter: the same recipe, seed and number of threads make the same one for the same base.

    `base`: the directory of the model that it is for, whose tokenizer it uses; a run cannot begin without.
    """

    adapter: AdapterShape
    base: Path | None = None

    def __post_init__(self) -> None:
        Curriculum.__post_init__(self)
        self.refuse([*below_one(rank=self.adapter.rank), *_problems(self.adapter)])


def _problems(shape: AdapterShape) -> list[str]:
    """What cannot work beside sizes below 1."""
    found = [f"alpha is {shape.alpha}; it must be above 0"] if shape.alpha <= 0 else []
    strange = [target for target in shape.targets if target not in ADAPTABLE]
    if strange or not shape.targets:
        found.append(f"targets are {shape.targets}; choose some of {', '.join(ADAPTABLE)}")
    return found


AnyRecipe = Recipe | AdapterRecipe


def with_base(recipe: AnyRecipe, base: Path | None) -> AnyRecipe:
    """The recipe for that base, where one is named. Raises `ConfigurationError` for a recipe that needs none."""
    if base is None:
        return recipe
    if isinstance(recipe, Recipe):
        raise ConfigurationError(f"recipe {recipe.name!r} makes a whole model; leave --base out")
    return replace(recipe, base=base.resolve())
