"""Numbers by chance: gaps, lengths and delays are drawn from these."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import gamma as gamma_function
from math import isfinite, log, sqrt
from random import Random
from typing import Protocol

from weft.contracts.errors import ConfigurationError
from weft.workloads.checks import check_at_least, check_positive
from weft.workloads.streams import settled


class Distribution(Protocol):
    """A distribution of numbers of at least 0. A draw is the same on every machine."""

    @property
    def mean(self) -> float:
        """The expected value."""

    def draw(self, random: Random) -> float:
        """The next number of this stream."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same value."""

    value: float

    def __post_init__(self) -> None:
        check_at_least("a fixed value", self.value, 0)

    @property
    def mean(self) -> float:
        return self.value

    def draw(self, random: Random) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class Uniform:
    """Between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        check_at_least("the low end of a uniform distribution", self.low, 0)
        check_at_least("the high end of a uniform distribution", self.high, self.low)

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    def draw(self, random: Random) -> float:
        return self.low + (self.high - self.low) * random.random()


@dataclass(frozen=True, slots=True)
class Exponential:
    """Memoryless; gaps of it make a Poisson process."""

    mean: float

    def __post_init__(self) -> None:
        check_positive("the mean of an exponential distribution", self.mean)

    def draw(self, random: Random) -> float:
        return self.mean * settled(random.expovariate(1.0))


@dataclass(frozen=True, slots=True)
class Gamma:
    """By mean and coefficient of variation `cv` (standard deviation over mean); cv 1 is exponential."""

    mean: float
    cv: float

    def __post_init__(self) -> None:
        check_positive("the mean of a gamma distribution", self.mean)
        check_positive("the cv of a gamma distribution", self.cv)

    def draw(self, random: Random) -> float:
        scale = self.cv * self.cv
        return self.mean * settled(random.gammavariate(1.0 / scale, scale))


@dataclass(frozen=True, slots=True)
class Weibull:
    """By scale and shape, as ServeGen tells the gaps of its clients; below shape 1 it is bursty."""

    scale: float
    shape: float

    def __post_init__(self) -> None:
        check_positive("the scale of a Weibull distribution", self.scale)
        check_positive("the shape of a Weibull distribution", self.shape)

    @property
    def mean(self) -> float:
        return self.scale * settled(gamma_function(1.0 + 1.0 / self.shape))

    def draw(self, random: Random) -> float:
        return self.scale * settled(random.weibullvariate(1.0, self.shape))


@dataclass(frozen=True, slots=True)
class LogNormal:
    """By mean and coefficient of variation `cv`."""

    mean: float
    cv: float

    def __post_init__(self) -> None:
        check_positive("the mean of a lognormal distribution", self.mean)
        check_positive("the cv of a lognormal distribution", self.cv)

    def draw(self, random: Random) -> float:
        variance = log(1.0 + self.cv * self.cv)
        return self.mean * settled(random.lognormvariate(-variance / 2, sqrt(variance)))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Measured: `values[i]` is the quantile at `probabilities[i]`, straight lines between them.

    Probabilities rise from 0 to 1; values never fall.
    """

    probabilities: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.probabilities))
        full = len(self.probabilities) > 1 and self.probabilities[0] == 0.0 and self.probabilities[-1] == 1.0
        if not (rising and full):
            raise ConfigurationError(f"quantiles at {self.probabilities}; they must rise from 0 to 1")
        never_falls = all(a <= b for a, b in pairwise(self.values))
        if len(self.values) != len(self.probabilities) or not (never_falls and isfinite(self.values[-1])):
            raise ConfigurationError(f"quantiles {self.values}; give one finite value each, never falling")
        check_at_least("the least quantile", self.values[0], 0)

    @property
    def mean(self) -> float:
        pairs = tuple(zip(self.probabilities, self.values, strict=True))
        return sum((q - p) * (a + b) / 2 for (p, a), (q, b) in pairwise(pairs))

    def draw(self, random: Random) -> float:
        return self.at(random.random())

    def at(self, probability: float) -> float:
        """The quantile at a probability, which is at least 0 and below 1."""
        right = bisect_right(self.probabilities, probability)
        low, start = self.probabilities[right - 1], self.values[right - 1]
        share = (probability - low) / (self.probabilities[right] - low)
        return start + share * (self.values[right] - start)

    @classmethod
    def from_data(cls, data: Mapping[str, Sequence[float]]) -> "Quantiles":
        """From the form in which package data keeps them: `{"at": [...], "values": [...]}`."""
        return cls(tuple(data["at"]), tuple(data["values"]))


class Choice:
    """One of several, by weight."""

    def __init__(self, weights: Sequence[float]) -> None:
        for weight in weights:
            check_at_least("a weight", weight, 0)
        self._edges = tuple(accumulate(weights))
        check_positive("the sum of the weights", self._edges[-1] if weights else 0.0)

    def draw(self, random: Random) -> int:
        """The index of the chosen one."""
        return min(bisect_right(self._edges, random.random() * self._edges[-1]), len(self._edges) - 1)


@dataclass(frozen=True, slots=True)
class Counts:
    """1, 2, 3 and so on, with these weights."""

    weights: tuple[float, ...]
    _choice: Choice = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_choice", Choice(self.weights))

    @property
    def mean(self) -> float:
        weighted = sum(number * weight for number, weight in enumerate(self.weights, start=1))
        return weighted / sum(self.weights)

    def draw(self, random: Random) -> float:
        return self._choice.draw(random) + 1


def zipf_weights(number: int, exponent: float) -> tuple[float, ...]:
    """Weights 1, 2^-exponent, 3^-exponent and so on; raises `ConfigurationError` for none."""
    check_at_least("the number of items that share by Zipf's law", number, 1)
    check_at_least("the exponent of Zipf's law", exponent, 0)
    return tuple(round(rank**-exponent, 12) for rank in range(1, number + 1))
