"""A small card for the tests of judging, storing and reporting."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime


class Point(NamedTuple):
    name: str
    factor: float


def claim(number: float = 2.0, effect: Effect = Effect.RATIO, **fields: Any) -> Claim:
    chosen = {"origin": Origin.PAPER, **fields}
    return Claim("speed", number, effect, "times", "here", "figure 1", **chosen)


def card(*claims: Claim, **fields: Any) -> Card[Point]:
    points = (Point("paper", 2.0), Point("other", 3.0))
    chosen = {"regime": Regime.LIVE_CPU, **fields}
    return Card(
        "example",
        "A title",
        "OSDI",
        2022,
        claims or (claim(),),
        "By magic.",
        ("weft/example.py",),
        "Without.",
        points,
        Point("quick", 2.0),
        lambda point, seed: Observation({"speed": Pair(1.0 + seed, point.factor * (1.0 + seed))}),
        regime_reason="it is small",
        **chosen,
    )


def pairs(*ratios: float) -> Sequence[Pair]:
    return [Pair(1.0, ratio) for ratio in ratios]
