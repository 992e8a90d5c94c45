from random import Random
from statistics import fmean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError
from weft.workloads.distributions import (
    Choice,
    Counts,
    Distribution,
    Exponential,
    Fixed,
    Gamma,
    LogNormal,
    Quantiles,
    Uniform,
    Weibull,
    zipf_weights,
)

DRAWS = 20_000


@pytest.mark.parametrize(
    ("distribution", "cv"),
    [
        (Fixed(7.0), 0.0),
        (Uniform(2.0, 10.0), 4 / 6 / 3**0.5),
        (Exponential(3.0), 1.0),
        (Gamma(3.0, 2.0), 2.0),
        (Gamma(3.0, 0.3), 0.3),
        (LogNormal(100.0, 0.8), 0.8),
        (Weibull(2.0, 1.0), 1.0),
        (Quantiles((0.0, 1.0), (0.0, 4.0)), 1 / 3**0.5),
        (Counts((1.0, 1.0)), 1 / 3),
    ],
    ids=repr,
)
def test_draws_have_the_mean_and_variation_that_is_told(distribution: Distribution, cv: float) -> None:
    random = Random(1)
    draws = [distribution.draw(random) for _ in range(DRAWS)]
    assert fmean(draws) == pytest.approx(distribution.mean, rel=0.05)
    assert pstdev(draws) == pytest.approx(cv * distribution.mean, rel=0.07)


@given(st.floats(0.01, 1e4), st.floats(0.1, 5.0), st.integers())
def test_draws_are_multiples_of_a_fixed_step(mean: float, cv: float, seed: int) -> None:
    draw = Gamma(1.0, cv).draw(Random(seed))
    assert draw * 2**32 == int(draw * 2**32)
    assert Gamma(mean, cv).draw(Random(seed)) == mean * draw


def test_quantiles_are_met_at_their_probabilities() -> None:
    quantiles = Quantiles((0.0, 0.5, 0.9, 1.0), (1.0, 10.0, 50.0, 1000.0))
    assert [quantiles.at(p) for p in (0.0, 0.25, 0.5, 0.9)] == [1.0, 5.5, 10.0, 50.0]
    assert quantiles.at(0.95) == pytest.approx(525.0)
    random = Random(2)
    draws = sorted(quantiles.draw(random) for _ in range(DRAWS))
    assert draws[DRAWS // 2] == pytest.approx(10.0, rel=0.05)


@pytest.mark.parametrize(
    ("probabilities", "values"),
    [
        ((0.0, 0.5), (1.0, 2.0)),
        ((0.0, 0.5, 0.5, 1.0), (1.0, 2.0, 3.0, 4.0)),
        ((0.0, 1.0), (2.0, 1.0)),
        ((0.0, 1.0), (1.0,)),
        ((0.0, 1.0), (-1.0, 1.0)),
        ((0.0, 1.0), (1.0, float("inf"))),
    ],
)
def test_quantiles_that_are_none_are_refused(
    probabilities: tuple[float, ...], values: tuple[float, ...]
) -> None:
    with pytest.raises(ConfigurationError):
        Quantiles(probabilities, values)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_parameters_are_refused(value: float) -> None:
    for make in (
        Exponential,
        lambda mean: Gamma(mean, 1.0),
        lambda cv: Gamma(1.0, cv),
        lambda cv: LogNormal(1.0, cv),
    ):
        with pytest.raises(ConfigurationError, match=str(value)):
            make(value)
    with pytest.raises(ConfigurationError):
        Fixed(-1.0)


def test_a_choice_follows_its_weights() -> None:
    random, choice = Random(3), Choice((1.0, 0.0, 3.0))
    drawn = [choice.draw(random) for _ in range(DRAWS)]
    assert drawn.count(1) == 0
    assert drawn.count(2) / DRAWS == pytest.approx(0.75, abs=0.02)
    for weights in ((), (0.0, 0.0), (1.0, -1.0)):
        with pytest.raises(ConfigurationError):
            Choice(weights)


def test_zipf() -> None:
    assert zipf_weights(3, 1.0) == pytest.approx((1.0, 0.5, 1 / 3))
    assert zipf_weights(2, 0.0) == (1.0, 1.0)
    with pytest.raises(ConfigurationError, match="items"):
        zipf_weights(0, 1.0)
