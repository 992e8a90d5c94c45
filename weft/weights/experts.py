"""The handle of a feed-forward of experts: models pass it on, operations look inside."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.weights.linear import Linear


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Experts:
    """N gated products, of which a router chooses K per token.

    `router`: a score per expert. `gate_up`: of each expert the outputs of gate and up, one after the other; `down`: of
    each its last product. `num_chosen`: K. `sums_to_one`: a token's weights of those chosen are
    divided by their sum.
    """

    router: Linear
    gate_up: Sequence[Linear]
    down: Sequence[Linear]
    num_chosen: int
    sums_to_one: bool
