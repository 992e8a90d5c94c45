"""The published ways to stretch rotary frequencies, one class each.

Every operation is rounded to float32, in the order in which Hugging Face transformers computes it, because
checkpoints were trained with those values (see `rope.as_float32`).
"""

from dataclasses import dataclass
from math import ceil, floor, isfinite, log, pi

from weft.contracts.errors import ConfigurationError
from weft.model_specs.rope import RopeScaling, as_float32, plain_frequencies, plain_periods

MOST_FACTOR = 1e6
"""Far above any factor in use; keeps bases and lengths finite."""

LEAST_FACTOR = 1e-6
"""Far below any count of turns in use; keeps logarithms and quotients finite."""


def _check_factor(name: str, value: float, least: float, most: float = MOST_FACTOR) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise ConfigurationError(f"rope {name} is {value}; it must be between {least:g} and {most:g}")


def _check_original(tokens: int) -> None:
    if tokens < 1:
        raise ConfigurationError(f"rope original_length_tokens is {tokens}; it must be at least 1")


@dataclass(frozen=True, slots=True)
class LinearScaling(RopeScaling):
    """Position interpolation: all frequencies divided by `factor` (Chen et al., arXiv 2306.15595)."""

    factor: float

    def __post_init__(self) -> None:
        _check_factor("factor", self.factor, 1.0)

    def inverse_frequencies(
        self, theta: float, num_dimensions: int, max_length_tokens: int
    ) -> tuple[float, ...]:
        """The plain frequencies, all slower by the factor."""
        factor = as_float32(self.factor)
        return tuple(as_float32(plain / factor) for plain in plain_frequencies(theta, num_dimensions))

    def max_length_tokens(self, max_position_embeddings: int) -> int:
        """`factor` times as long: such configs state the length before scaling."""
        return int(max_position_embeddings * self.factor)


@dataclass(frozen=True, slots=True)
class DynamicScaling(RopeScaling):
    """NTK-aware scaling: a larger base, so that slow pairs stretch more than fast ones (bloc97, emozilla).

    Restated in YaRN (arXiv 2309.00071), sections 3.1 and 3.3. `original_length_tokens`: the length of
    training. transformers computes the base anew from the longest sequence that it has seen in the batch. We
    fix it at load, from the longest sequence that will be served: keys in the cache were rotated with the
    base of their day, so a base that moves would make a token depend on what ran beside it. At that longest
    length both agree; where at most `original_length_tokens` are served, nothing is scaled in either.
    """

    factor: float
    original_length_tokens: int

    def __post_init__(self) -> None:
        _check_factor("factor", self.factor, 1.0)
        _check_original(self.original_length_tokens)

    def check(self, num_dimensions: int) -> None:
        """The exponent `n / (n - 2)` needs more than two dimensions."""
        if num_dimensions <= 2:
            raise ConfigurationError(
                f"rope turns {num_dimensions} dimensions; dynamic scaling needs at least 4"
            )

    def inverse_frequencies(
        self, theta: float, num_dimensions: int, max_length_tokens: int
    ) -> tuple[float, ...]:
        """Plain frequencies of the base that fits `max_length_tokens`."""
        length = max(max_length_tokens, self.original_length_tokens)
        stretch = (self.factor * length / self.original_length_tokens) - (self.factor - 1)
        base = theta * stretch ** (num_dimensions / (num_dimensions - 2))
        return plain_frequencies(base, num_dimensions)

    def max_length_tokens(self, max_position_embeddings: int) -> int:
        """`factor` times as long: such configs state the length before scaling."""
        return int(max_position_embeddings * self.factor)


@dataclass(frozen=True, slots=True)
class Llama3Scaling(RopeScaling):
    """Llama 3.1: slow pairs divided by `factor`, fast ones untouched, those between interpolated.

    Meta, "The Llama 3 Herd of Models" (arXiv 2407.21783), and the model's published code. A pair is slow
    where it turns less than `low_freq_factor` times within `original_length_tokens`, fast where it turns
    more than `high_freq_factor` times.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_length_tokens: int

    def __post_init__(self) -> None:
        _check_factor("factor", self.factor, 1.0)
        _check_factor("low_freq_factor", self.low_freq_factor, LEAST_FACTOR)
        _check_factor("high_freq_factor", self.high_freq_factor, LEAST_FACTOR)
        _check_original(self.original_length_tokens)
        if self.high_freq_factor <= self.low_freq_factor:
            raise ConfigurationError(
                f"rope high_freq_factor is {self.high_freq_factor}; it must be above low_freq_factor "
                f"({self.low_freq_factor})"
            )

    def inverse_frequencies(
        self, theta: float, num_dimensions: int, max_length_tokens: int
    ) -> tuple[float, ...]:
        """Plain frequencies, each scaled by how often it turns in the original length."""
        return tuple(self._scaled(plain) for plain in plain_frequencies(theta, num_dimensions))

    def _scaled(self, plain: float) -> float:
        wavelength = as_float32(as_float32(1.0 / plain) * as_float32(2 * pi))
        if wavelength > self.original_length_tokens / self.low_freq_factor:
            return as_float32(plain / as_float32(self.factor))
        if wavelength < self.original_length_tokens / self.high_freq_factor:
            return plain
        return self._smoothed(plain, wavelength)

    def _smoothed(self, plain: float, wavelength: float) -> float:
        turns = as_float32(as_float32(1.0 / wavelength) * self.original_length_tokens)
        span = as_float32(self.high_freq_factor - self.low_freq_factor)
        share = as_float32(as_float32(turns - as_float32(self.low_freq_factor)) / span)
        slow = as_float32(as_float32(as_float32(1.0 - share) * plain) / as_float32(self.factor))
        return as_float32(slow + as_float32(share * plain))

    def max_length_tokens(self, max_position_embeddings: int) -> int:
        """As the config says: Llama 3.1's states the length after scaling."""
        return max_position_embeddings


@dataclass(frozen=True, slots=True)
class YarnScaling(RopeScaling):
    """YaRN (Peng et al., arXiv 2309.00071): interpolation by parts, and sharper attention.

    A pair that turns more than `beta_fast` times within `original_length_tokens` keeps its frequency, one
    below `beta_slow` turns is divided by `factor`, those between lie on a ramp over the pairs' index (section
    3.2), whose ends are whole pairs where `truncates`. Cosine and sine are multiplied by
    0.1 ln(factor) + 1 (section 3.4) unless `explicit_attention_factor` says otherwise or both
    `mscale` and `mscale_all_dim` are given (DeepSeek-V2, arXiv 2405.04434), which takes a ratio of two such.
    """

    factor: float
    original_length_tokens: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    explicit_attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncates: bool = True

    def __post_init__(self) -> None:
        _check_factor("factor", self.factor, 1.0)
        _check_factor("beta_fast", self.beta_fast, LEAST_FACTOR)
        _check_factor("beta_slow", self.beta_slow, LEAST_FACTOR)
        _check_original(self.original_length_tokens)
        if self.beta_fast <= self.beta_slow:
            raise ConfigurationError(
                f"rope beta_fast is {self.beta_fast}; it must be above beta_slow ({self.beta_slow})"
            )
        _check_factor("attention_factor", self.attention_factor(), LEAST_FACTOR)

    def inverse_frequencies(
        self, theta: float, num_dimensions: int, max_length_tokens: int
    ) -> tuple[float, ...]:
        """Plain and interpolated frequencies, mixed along the ramp."""
        low, high = self._ramp_ends(theta, num_dimensions)
        return tuple(
            self._mixed(period, 1.0 - _ramp(pair, low, high))
            for pair, period in enumerate(plain_periods(theta, num_dimensions))
        )

    def _ramp_ends(self, theta: float, num_dimensions: int) -> tuple[float, float]:
        """The pairs (as fractions of an index) that turn `beta_fast` and `beta_slow` times."""
        low = self._pair_that_turns(self.beta_fast, theta, num_dimensions)
        high = self._pair_that_turns(self.beta_slow, theta, num_dimensions)
        if self.truncates:
            low, high = floor(low), ceil(high)
        return max(low, 0), min(high, num_dimensions - 1)

    def _pair_that_turns(self, times: float, theta: float, num_dimensions: int) -> float:
        tokens_per_radian = self.original_length_tokens / (times * 2 * pi)
        return num_dimensions * log(tokens_per_radian) / (2 * log(theta))

    def _mixed(self, period: float, kept_share: float) -> float:
        plain = as_float32(1.0 / period)
        slow = as_float32(1.0 / as_float32(as_float32(self.factor) * period))
        kept = as_float32(kept_share)
        return as_float32(as_float32(slow * as_float32(1.0 - kept)) + as_float32(plain * kept))

    def attention_factor(self) -> float:
        """As given, or else what the paper fits to the factor."""
        if self.explicit_attention_factor is not None:
            return self.explicit_attention_factor
        if self.mscale and self.mscale_all_dim:
            return _sharpness(self.factor, self.mscale) / _sharpness(self.factor, self.mscale_all_dim)
        return _sharpness(self.factor, 1.0)

    def max_length_tokens(self, max_position_embeddings: int) -> int:
        """`factor` times the original length; configs state either length as `max_position_embeddings`."""
        return int(self.original_length_tokens * self.factor)


def _ramp(pair: int, low: float, high: float) -> float:
    """0 up to the pair `low`, 1 from `high` on, linear in between."""
    if low == high:
        high += 0.001  # as everywhere where YaRN is implemented: a step instead of a division by zero
    share = as_float32(as_float32(pair - as_float32(low)) / as_float32(high - low))
    return min(max(share, 0.0), 1.0)


def _sharpness(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1.0 else 0.1 * mscale * log(factor) + 1.0
