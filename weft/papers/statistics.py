"""What paired measurements say of an effect, and how sure that is."""

from collections.abc import Sequence
from math import exp, log
from statistics import median

from weft.measurement.statistics import Interval, mean_interval
from weft.papers.card import Effect, Pair


def paired_effect(pairs: Sequence[Pair], effect: Effect) -> Interval:
    """The effect over seeds, from the differences within pairs (of logarithms, where it is a ratio).

    So what a seed does to both sides cancels (common random numbers). A single pair gives an interval without width:
    that of a measurement without chance. A ratio of values that are not above 0 is not defined: it raises ValueError.
    """
    found = mean_interval([_difference(pair, effect) for pair in pairs])
    return Interval(*map(exp, found)) if effect is Effect.RATIO else found


def _difference(pair: Pair, effect: Effect) -> float:
    if effect is Effect.RATIO:
        return log(pair.technique) - log(pair.baseline)
    return pair.technique - pair.baseline


def median_of(effects: Sequence[Interval]) -> float:
    """The median of the effects, as one sees it over a grid."""
    return median(effect.mean for effect in effects)
