"""The built-in draft with experts: what serving mixtures is tried on."""

from dataclasses import replace

from weft.training.recipe import ExpertsShape, Recipe
from weft.training.recipes.pair import weft_nano


def weft_nano_moe() -> Recipe:
    """Four experts in each of three layers; a token goes to two, which together are as large as the draft's
    feed-forward."""
    dense = weft_nano()
    experts = ExpertsShape(num_experts=4, num_chosen=2)
    return replace(
        dense,
        name="weft-nano-moe",
        summary="weft-nano with four experts per layer, two per token: a mixture that is quick to train.",
        shape=replace(dense.shape, intermediate_size=dense.shape.intermediate_size // 2, experts=experts),
    )
