"""Feed-forwards of experts as data: a router sends each token to a few of many (arXiv 1701.06538, section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ExpertsSpec:
    """Which layers have experts, and what these are like.

    `num_experts` per layer, of which a token goes to `num_chosen`; each is a gated product without biases of
    `inner_size` numbers per token inside. `sums_to_one`: a token's weights of those chosen, which come from a
    softmax over all, are divided by their sum. Every `layer_stride`-th layer has experts, the last of each stride,
    but for `dense_layers`. `shared_inner_size`: of a feed-forward beside them that every token goes through
    (DeepSeekMoE, arXiv 2401.06066); 0 where there is none.
    """

    num_experts: int
    num_chosen: int
    inner_size: int
    sums_to_one: bool
    layer_stride: int = 1
    dense_layers: tuple[int, ...] = ()
    shared_inner_size: int = 0

    def __post_init__(self) -> None:
        for name in ("num_experts", "num_chosen", "inner_size", "layer_stride"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.shared_inner_size < 0:
            raise ConfigurationError(f"shared_inner_size is {self.shared_inner_size}; it must be at least 0")
        if self.num_chosen > self.num_experts:
            raise ConfigurationError(
                f"num_chosen is {self.num_chosen}; it must be at most num_experts ({self.num_experts})"
            )

    def are_in(self, layer: int) -> bool:
        """Whether a layer has experts."""
        return (layer + 1) % self.layer_stride == 0 and layer not in self.dense_layers

    def expected_distinct(self, num_tokens: int) -> float:
        """How many experts of a layer get at least one of so many tokens, on average.

        Assumes that each token's choice is uniform over all sets of `num_chosen` experts, and tokens choose
        independently: an expert is missed by one token with probability 1 - K / N, by all T with its T-th power,
        so N (1 - (1 - K / N)^T) are touched. Real routers favour some experts, and then fewer are.
        """
        missed_by_one = 1.0 - self.num_chosen / self.num_experts
        return self.num_experts * float(1.0 - missed_by_one**num_tokens)

    def check_distinct(self, given: Sequence[int], num_tokens: int) -> None:
        """Raises `ConfigurationError` for numbers of distinct experts that so many tokens cannot touch."""
        least, most = self.num_chosen, min(self.num_experts, num_tokens * self.num_chosen)
        for number in given if num_tokens else ():
            if not least <= number <= most:
                raise ConfigurationError(
                    f"distinct_experts has {number}; {num_tokens} units touch {least} to {most} of a layer's experts"
                )

    def parameters_of(self, hidden_size: int, num_experts: int) -> int:
        """Numbers in the router of a layer, in so many of its experts and in the shared one."""
        inner_sizes = num_experts * self.inner_size + self.shared_inner_size
        return hidden_size * (self.num_experts + 3 * inner_sizes)
