"""When sessions arrive: gaps by chance, stretched by a rate profile."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from weft.workloads.checks import check_positive, check_rate
from weft.workloads.distributions import Distribution, Exponential, Fixed, Gamma
from weft.workloads.rate_profiles import RateProfile, Steady
from weft.workloads.streams import named_stream


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Arrivals at `rate_per_s` on average.

    Gaps are drawn in operational time, in which one arrival comes per unit, and mapped to seconds through
    the integral of the rate (Cinlar's inversion of a cumulative rate). So a change of `rate_per_s` leaves
    the profile's times as they are: an hour's pattern stays an hour long. Only the shape of `gaps` counts,
    their mean does not.
    """

    rate_per_s: float
    gaps: Distribution = field(default_factory=lambda: Exponential(1.0))
    profile: RateProfile = field(default_factory=Steady)

    def __post_init__(self) -> None:
        check_rate(self.rate_per_s)
        check_positive("the mean gap", self.gaps.mean)

    def at_rate(self, rate_per_s: float) -> "Arrivals":
        """The same pattern at another average rate."""
        return replace(self, rate_per_s=rate_per_s)

    def times_s(self, seed: int) -> Iterator[float]:
        """Times from the start of the run, never falling, without end."""
        draw, random = self.gaps.draw, named_stream(seed, "gaps")
        seconds_per_gap = 1.0 / (self.gaps.mean * self.rate_per_s)
        segments = self.profile.segments(named_stream(seed, "profile"))
        time_s, (left_s, level) = 0.0, next(segments)
        while True:
            needed = draw(random) * seconds_per_gap
            while needed > left_s * level:
                needed -= left_s * level
                time_s += left_s
                left_s, level = next(segments)
            if needed:
                elapsed_s = min(needed / level, left_s)
                left_s -= elapsed_s
                time_s += elapsed_s
            yield time_s


def poisson(rate_per_s: float, profile: RateProfile | None = None) -> Arrivals:
    """Arrivals that know nothing of each other."""
    return Arrivals(rate_per_s, Exponential(1.0), profile or Steady())


def gamma(rate_per_s: float, cv: float, profile: RateProfile | None = None) -> Arrivals:
    """Gamma gaps: bursty with `cv` above 1, regular below."""
    return Arrivals(rate_per_s, Gamma(1.0, cv), profile or Steady())


def constant(rate_per_s: float) -> Arrivals:
    """One arrival every 1/rate seconds."""
    return Arrivals(rate_per_s, Fixed(1.0))


def uniform_times(random: Random, start_s: float, length_s: float, number: int) -> list[float]:
    """`number` times in a window, each anywhere in it, in order: a Poisson process given its count."""
    return sorted(start_s + length_s * random.random() for _ in range(number))
