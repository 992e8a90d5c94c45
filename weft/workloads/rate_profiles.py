"""How the rate of arrivals changes over time, apart from chance between single arrivals.

A profile is a run of segments, each a duration and a level: the rate relative to the average, which is 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, pi, sin
from random import Random
from typing import NamedTuple, Protocol

from weft.contracts.errors import ConfigurationError
from weft.workloads.checks import check_at_least, check_positive
from weft.workloads.streams import settled


class Segment(NamedTuple):
    """For `duration_s`, the rate is `level` times the average."""

    duration_s: float
    level: float


class RateProfile(Protocol):
    """Segments without end, whose level is 1 on average over time."""

    def segments(self, random: Random) -> Iterator[Segment]:
        """From the start of the run."""


@dataclass(frozen=True, slots=True)
class Steady:
    """The same rate for ever."""

    def segments(self, random: Random) -> Iterator[Segment]:
        yield Segment(inf, 1.0)


@dataclass(frozen=True, slots=True)
class Cycle:
    """The same segments again and again. Levels are relative to each other; their average is made 1."""

    parts: tuple[Segment, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            check_positive("the duration of a segment", part.duration_s)
            check_at_least("the level of a segment", part.level, 0)
        check_positive("the average level of a rate profile", self._average())

    def segments(self, random: Random) -> Iterator[Segment]:
        average = self._average()
        parts = [Segment(part.duration_s, part.level / average) for part in self.parts]
        while True:
            yield from parts

    def _average(self) -> float:
        duration_s = sum(part.duration_s for part in self.parts)
        return sum(part.duration_s * part.level for part in self.parts) / duration_s if self.parts else 0.0


@dataclass(frozen=True, slots=True)
class Switching:
    """A Markov-modulated rate (MMPP): it dwells at each of `levels` for an exponential time, then moves on.

    `mean_dwell_s`: per level. From a level each other is equally likely to be next.
    """

    levels: tuple[float, ...]
    mean_dwell_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.levels) < 2 or len(self.levels) != len(self.mean_dwell_s):
            raise ConfigurationError(
                f"{len(self.levels)} levels with {len(self.mean_dwell_s)} dwell times; give at least two of each"
            )
        for level, dwell_s in zip(self.levels, self.mean_dwell_s, strict=True):
            check_at_least("a level", level, 0)
            check_positive("a mean dwell time", dwell_s)
        check_positive("the average level", self._average())

    def segments(self, random: Random) -> Iterator[Segment]:
        average, state = self._average(), random.randrange(len(self.levels))
        while True:
            dwell_s = self.mean_dwell_s[state] * settled(random.expovariate(1.0))
            yield Segment(dwell_s, self.levels[state] / average)
            state = (state + random.randrange(1, len(self.levels))) % len(self.levels)

    def _average(self) -> float:
        weighted = sum(a * b for a, b in zip(self.levels, self.mean_dwell_s, strict=True))
        return weighted / sum(self.mean_dwell_s)


def windows(window_s: float, levels: tuple[float, ...]) -> Cycle:
    """Windows of equal length, with these levels."""
    return Cycle(tuple(Segment(window_s, level) for level in levels))


def diurnal(peak_to_average: float, period_s: float = 86_400.0, steps: int = 96) -> Cycle:
    """A sine that begins at the average and rises; `peak_to_average` is from 1 (flat) to 2 (down to nothing)."""
    if not 1.0 <= peak_to_average <= 2.0:
        raise ConfigurationError(f"the peak is {peak_to_average} times the average; choose between 1 and 2")
    swing = peak_to_average - 1.0
    middles = ((step + 0.5) / steps for step in range(steps))
    return windows(period_s / steps, tuple(round(1.0 + swing * sin(2 * pi * at), 9) for at in middles))


def pulses(period_s: float, pulse_s: float, factor: float) -> Cycle:
    """Every `period_s` the rate is `factor` times its usual one for `pulse_s`, at the end of the period."""
    if not 0 < pulse_s < period_s:
        raise ConfigurationError(
            f"a pulse of {pulse_s} s every {period_s} s; it must be shorter than the period"
        )
    return Cycle((Segment(period_s - pulse_s, 1.0), Segment(pulse_s, factor)))
