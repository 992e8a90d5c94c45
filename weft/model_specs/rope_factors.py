"""Rotary frequencies divided pair by pair, as GGUF files state the scaling of Llama 3.1 and later."""

from dataclasses import dataclass
from math import isfinite

from weft.contracts.errors import ConfigurationError
from weft.model_specs.rope import RopeScaling, as_float32, plain_frequencies
from weft.model_specs.rope_scalings import LEAST_FACTOR, MOST_FACTOR


@dataclass(frozen=True, slots=True)
class PairScaling(RopeScaling):
    """Each pair's frequency divided by a factor of its own, the fastest pair first."""

    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        for factor in self.factors:
            if not (isfinite(factor) and LEAST_FACTOR <= factor <= MOST_FACTOR):
                raise ConfigurationError(
                    f"a rope factor is {factor}; it must be between {LEAST_FACTOR:g} and {MOST_FACTOR:g}"
                )

    def check(self, num_dimensions: int) -> None:
        """There must be one per pair."""
        if 2 * len(self.factors) != num_dimensions:
            raise ConfigurationError(
                f"rope has factors for {len(self.factors)} pairs, and turns {num_dimensions} dimensions"
            )

    def inverse_frequencies(
        self, theta: float, num_dimensions: int, max_length_tokens: int
    ) -> tuple[float, ...]:
        """The plain frequencies, each slower by its factor."""
        plain = plain_frequencies(theta, num_dimensions)
        return tuple(as_float32(each / factor) for each, factor in zip(plain, self.factors, strict=True))

    def max_length_tokens(self, max_position_embeddings: int) -> int:
        """As the file says: it states the length after scaling."""
        return max_position_embeddings
