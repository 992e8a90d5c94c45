"""The rules by which measurements become verdicts."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from weft.measurement.statistics import Interval
from weft.papers.card import Card, Claim, Origin, Pair
from weft.papers.statistics import median_of, paired_effect

TOLERANCE = 0.25
"""The share of a paper's gain that may be missing where it counts as reproduced."""


class Verdict(Enum):
    """What became of a claim. `partly`: its direction holds, or it holds in a regime that nothing real validates."""

    REPRODUCED = "reproduced"
    CONFIRMED = "confirmed"
    PARTLY = "partly"
    NOT_REPRODUCED = "not reproduced"
    NOT_CONFIRMED = "not confirmed"


class Judgement(NamedTuple):
    """A verdict and what it rests on: the effect in each setting, in the order of the grid, and why."""

    verdict: Verdict
    effects: Mapping[str, Interval]
    median: float
    reason: str

    @property
    def measured(self) -> Interval:
        """The effect in the setting nearest to the paper's."""
        return next(iter(self.effects.values()))


def judge(card: Card[Any], claim: Claim, pairs: Mapping[str, Sequence[Pair]]) -> Judgement:
    """Judge a claim by its pairs in each setting of the grid, the one nearest to the paper's first.

    It holds where the effect there comes within 25 % of the paper's gain (reaches all of a threshold of our own), its
    interval excludes no effect, and the median over the grid lies on the claimed side. Its direction holds where only
    the size is missing.
    """
    effects = {name: paired_effect(each, claim.effect) for name, each in pairs.items()}
    middle = median_of(list(effects.values()))
    obstacle = _wrong_direction(claim, next(iter(effects.values())), middle)
    if obstacle:
        return Judgement(_refusal(claim), effects, middle, obstacle)
    obstacle = _too_small(claim, next(iter(effects.values())))
    if obstacle:
        verdict = Verdict.PARTLY if claim.origin is Origin.PAPER else Verdict.NOT_CONFIRMED
        return Judgement(verdict, effects, middle, obstacle)
    if not (card.is_validated or claim.is_exact):
        return Judgement(Verdict.PARTLY, effects, middle, "the number holds, in an unvalidated regime")
    return Judgement(_approval(claim), effects, middle, "the number holds")


def _wrong_direction(claim: Claim, measured: Interval, middle: float) -> str:
    none = claim.effect.none
    if (measured.mean > none) is not claim.is_rise or measured.mean == none:
        return "the effect has the other direction in the paper's setting"
    if not measured.excludes(none):
        return "the interval includes no effect in the paper's setting"
    if (middle > none) is not claim.is_rise or middle == none:
        return "the median over the grid has the other direction"
    return ""


def _too_small(claim: Claim, measured: Interval) -> str:
    asked = wanted(claim)
    reaches = measured.mean >= asked if claim.is_rise else measured.mean <= asked
    return "" if reaches else f"the direction holds, but the effect does not reach {asked:.3g}"


def wanted(claim: Claim) -> float:
    """The effect from which on a claim holds."""
    if claim.origin is Origin.OURS:
        return claim.number
    return claim.effect.none + (1.0 - TOLERANCE) * (claim.number - claim.effect.none)


def _refusal(claim: Claim) -> Verdict:
    return Verdict.NOT_REPRODUCED if claim.origin is Origin.PAPER else Verdict.NOT_CONFIRMED


def _approval(claim: Claim) -> Verdict:
    return Verdict.REPRODUCED if claim.origin is Origin.PAPER else Verdict.CONFIRMED
