from collections.abc import Iterator
from itertools import pairwise

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.prompts import LengthPrompt
from weft.workloads.arrivals import poisson
from weft.workloads.errors import WorkloadError
from weft.workloads.rate_profiles import windows
from weft.workloads.scaling import METHODS, Scaled
from weft.workloads.sessions import Session, Turn


class Bursts:
    """Four thousand requests, of which nine in ten come in the first half of each 200 s; lengths count up."""

    name = "bursts"

    def sessions(self) -> Iterator[Session]:
        times_s = poisson(5.0, windows(100.0, (9.0, 1.0))).times_s(3)
        for number in range(4000):
            yield Session(number, next(times_s), (Turn(LengthPrompt(number + 1), 1),))


def scaled(factor: float, method: str, seed: int = 0) -> list[Session]:
    return list(Scaled(Bursts(), factor, method, seed).sessions())


def numbers(sessions: list[Session]) -> list[int]:
    return [turn.prompt.num_tokens for session in sessions for turn in session.turns]


def busy_share(sessions: list[Session]) -> float:
    return sum(session.arrival_s % 200.0 < 100.0 for session in sessions) / len(sessions)


def count(sessions: list[Session], end_s: float) -> int:
    return sum(session.arrival_s < end_s for session in sessions)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [1.7, 3.0])
def test_every_method_raises_the_load(method: str, factor: float) -> None:
    sessions = scaled(factor, method)
    end_s = 180.0 / factor if method == "squeeze" else 180.0
    copies = 1.0 if method == "squeeze" else factor
    assert count(sessions, end_s) == pytest.approx(copies * count(list(Bursts().sessions()), 180.0), rel=0.05)
    assert [session.number for session in sessions] == list(range(len(sessions)))
    assert all(before.arrival_s <= after.arrival_s for before, after in pairwise(sessions))


@pytest.mark.parametrize("method", ["traceupscaler", "replicate"])
def test_what_keeps_the_pattern_in_time(method: str) -> None:
    assert busy_share(scaled(2.0, method)) == pytest.approx(0.9, abs=0.03)


def test_averaging_over_minutes_blurs_the_pattern() -> None:
    assert 0.7 < busy_share(scaled(2.0, "average-rate")) < 0.85


def test_squeezing_moves_the_pattern() -> None:
    assert busy_share(scaled(2.0, "squeeze")) < 0.6


def test_traceupscaler_keeps_contents_in_their_order_each_once() -> None:
    assert numbers(scaled(2.5, "traceupscaler")) == list(range(1, 4001))
    assert sorted(numbers(scaled(3.0, "replicate"))) == sorted(3 * list(range(1, 4001)))


def test_traceupscaler_uses_only_times_of_the_trace() -> None:
    times = dict.fromkeys(session.arrival_s for session in Bursts().sessions())
    found = scaled(3.0, "traceupscaler")
    assert all(session.arrival_s in times for session in found)
    assert len({session.arrival_s for session in found}) == pytest.approx(4000 / 3, abs=1)


def test_a_factor_of_one_changes_nothing() -> None:
    for method in ("traceupscaler", "squeeze", "replicate"):
        assert scaled(1.0, method) == list(Bursts().sessions())


def test_the_load_can_be_lowered() -> None:
    sessions = scaled(0.3, "traceupscaler")
    assert len(sessions) == pytest.approx(1200, rel=0.1)
    assert numbers(sessions) == list(range(1, len(sessions) + 1))
    assert busy_share(sessions) == pytest.approx(0.9, abs=0.04)


def test_the_seed_decides_and_mistakes_are_named() -> None:
    assert (
        scaled(1.5, "traceupscaler", 1) == scaled(1.5, "traceupscaler", 1) != scaled(1.5, "traceupscaler", 2)
    )
    assert Scaled(Bursts(), 2.0).name == "bursts x 2 (traceupscaler)"
    with pytest.raises(WorkloadError, match="traceupscaler, squeeze"):
        Scaled(Bursts(), 2.0, "wish")
    for factor in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigurationError):
            Scaled(Bursts(), factor)
