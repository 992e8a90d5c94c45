"""Rotary position embedding: at which rate each pair of a head's dimensions turns with the position.

Su et al., "RoFormer" (arXiv 2104.09864), section 3.2.2: dimension pair i of n turns by `theta ** (-2 i / n)`
radians per token. How longer texts than the model was first trained on are reached is a `RopeScaling`.
"""

from abc import ABC, abstractmethod
from ctypes import c_float
from dataclasses import dataclass

from weft.contracts.errors import ConfigurationError

MOST_THETA = 1e30
"""Far above any base in use; powers of it still fit into a float32."""


def as_float32(value: float) -> float:
    """The float32 nearest to a value (infinite above the largest).

    Checkpoints were trained with frequencies computed step by step in float32. At position 100,000 one unit
    in the last place of the fastest frequency is an angle of 0.006, so the same steps are rounded here.
    """
    return c_float(value).value


def plain_periods(theta: float, num_dimensions: int) -> tuple[float, ...]:
    """Unscaled tokens per radian of the `num_dimensions / 2` pairs, shortest first, each a float32."""
    base = as_float32(theta)
    exponents = (as_float32(index / num_dimensions) for index in range(0, num_dimensions, 2))
    return tuple(as_float32(base**exponent) for exponent in exponents)


def plain_frequencies(theta: float, num_dimensions: int) -> tuple[float, ...]:
    """Unscaled radians per token of the pairs, fastest first, each a float32."""
    return tuple(as_float32(1.0 / period) for period in plain_periods(theta, num_dimensions))


class RopeScaling(ABC):
    """How the frequencies of a model are stretched to reach longer texts."""

    def check(self, num_dimensions: int) -> None:
        """Raises `ConfigurationError` where heads of so many rotated dimensions cannot be scaled so."""
        del num_dimensions  # most scalings take any

    @abstractmethod
    def inverse_frequencies(
        self, theta: float, num_dimensions: int, max_length_tokens: int
    ) -> tuple[float, ...]:
        """Scaled radians per token of each pair, for sequences of at most `max_length_tokens`."""

    def attention_factor(self) -> float:
        """What cosine and sine are multiplied by."""
        return 1.0

    @abstractmethod
    def max_length_tokens(self, max_position_embeddings: int) -> int:
        """The longest sequence, in tokens, of a model whose config has this `max_position_embeddings`."""


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary embedding of a model: the base `theta`, the rotated dimensions of a head, and the scaling."""

    theta: float
    num_dimensions: int
    scaling: RopeScaling | None = None

    def __post_init__(self) -> None:
        if not 1.0 < self.theta <= MOST_THETA:
            raise ConfigurationError(
                f"rope theta is {self.theta}; it must be above 1 and at most {MOST_THETA:g}"
            )
        if self.num_dimensions < 2 or self.num_dimensions % 2:
            raise ConfigurationError(
                f"rope turns {self.num_dimensions} dimensions of a head; it must be an even number above 0"
            )
        if self.scaling is not None:
            self.scaling.check(self.num_dimensions)

    def inverse_frequencies(self, max_length_tokens: int) -> tuple[float, ...]:
        """Radians per token of each of the `num_dimensions / 2` pairs, fastest first; float32 values.

        `max_length_tokens`: the longest sequence that is to be served. Only dynamic scaling depends on it.
        """
        if self.scaling is None:
            return plain_frequencies(self.theta, self.num_dimensions)
        return self.scaling.inverse_frequencies(self.theta, self.num_dimensions, max_length_tokens)

    def attention_factor(self) -> float:
        """What cosine and sine of the angles are multiplied by: 1 but for YaRN."""
        return 1.0 if self.scaling is None else self.scaling.attention_factor()
