"""The rules of verdicts."""

from typing import Any

import pytest

from tests.papers.cards import card, claim, pairs
from weft.papers.card import Effect, Origin, Pair, Regime
from weft.papers.judging import Verdict, judge

SURE = (1.0, 1.01, 1.0, 0.99, 1.0)


def verdict(of: Any, near: float, far: float = 2.0, spread: float = 1.0, **fields: Any) -> Verdict:
    found = {
        "paper": pairs(*(near * luck**spread for luck in SURE)),
        "other": pairs(*(far * luck for luck in SURE)),
    }
    return judge(card(of, **fields), of, found).verdict


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        (2.0, Verdict.REPRODUCED),
        (3.0, Verdict.REPRODUCED),
        (1.76, Verdict.REPRODUCED),
        (1.74, Verdict.PARTLY),
        (1.1, Verdict.PARTLY),
        (0.9, Verdict.NOT_REPRODUCED),
    ],
)
def test_a_papers_gain_may_miss_a_quarter(near: float, expected: Verdict) -> None:
    assert verdict(claim(2.0), near) is expected


@pytest.mark.parametrize(("near", "expected"), [(2.01, Verdict.CONFIRMED), (1.9, Verdict.NOT_CONFIRMED)])
def test_a_threshold_of_our_own_must_be_reached(near: float, expected: Verdict) -> None:
    assert verdict(claim(2.0, origin=Origin.OURS), near) is expected


def test_less_may_be_claimed_too() -> None:
    assert verdict(claim(0.5), 0.6, far=0.5) is Verdict.REPRODUCED
    assert verdict(claim(0.5), 0.7, far=0.5) is Verdict.PARTLY
    assert verdict(claim(0.5), 2.0, far=0.5) is Verdict.NOT_REPRODUCED


def test_an_interval_that_includes_no_effect_decides_nothing() -> None:
    assert verdict(claim(1.02), 1.05, spread=1.0) is Verdict.REPRODUCED
    assert verdict(claim(1.02), 1.05, spread=20.0) is Verdict.NOT_REPRODUCED


def test_the_median_over_the_grid_must_agree() -> None:
    assert verdict(claim(1.5), 1.5, far=0.3) is Verdict.NOT_REPRODUCED


def test_an_unvalidated_simulation_is_partly_at_best() -> None:
    simulated: dict[str, Any] = {"regime": Regime.SIMULATED}
    assert verdict(claim(2.0), 2.0, **simulated) is Verdict.PARTLY
    assert verdict(claim(2.0, origin=Origin.OURS), 3.0, **simulated) is Verdict.PARTLY
    assert verdict(claim(2.0), 2.0, validated_by="a run", **simulated) is Verdict.REPRODUCED
    assert verdict(claim(2.0, is_exact=True), 2.0, **simulated) is Verdict.REPRODUCED


def test_a_difference_is_judged_from_zero() -> None:
    fewer = claim(-0.4, Effect.DIFFERENCE)
    found = {"paper": [Pair(1.0, 0.69)] * 5, "other": [Pair(1.0, 0.9)] * 5}
    assert judge(card(fewer), fewer, found).verdict is Verdict.REPRODUCED
    none = {"paper": [Pair(1.0, 1.0)] * 5}
    assert judge(card(fewer), fewer, none).verdict is Verdict.NOT_REPRODUCED
